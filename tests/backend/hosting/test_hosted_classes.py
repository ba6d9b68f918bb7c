"""Classes on label-studio-ml's base in a process of their own: what they say, as it came."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from backend.predictors.foreign.source import ModelUnavailableError
from tests.fakes.foreign_questions import LABEL_CONFIG, asked, rows
from tests.fakes.hosted import ROOT, model, source

SECRETS: dict[str, Any] = {
    "label_studio_token": "admin-token",
    "label_studio_url": "http://label-studio:8080",
}
OTHER_CONFIG = LABEL_CONFIG.replace('value="A"', 'value="Z"')


def test_a_list_of_dicts_is_read_with_whatever_objects_it_holds(tmp_path: Path) -> None:
    with source(tmp_path, model("Letters", batch=2)) as letters:
        assert letters.name == "Letters"
        assert letters.reported(LABEL_CONFIG) == "Letters-v0.0.1"
        expected = [("A", 0.75, None), ("B", 0.75, None), ("A", 0.75, None)]
        assert rows(letters.answers(asked(["an a", "bee", "again"]))) == expected
        assert rows(letters.answers(asked([]))) == []


def test_a_response_of_regions_is_read_and_state_is_kept(tmp_path: Path) -> None:
    with source(tmp_path, model("Regions")) as regions:
        assert regions.reported(LABEL_CONFIG) == "0.0.1"
        assert rows(regions.answers(asked(["x"]))) == [("B", 0.35, None)]
        assert rows(regions.answers(asked(["x"]))) == [("B", 0.45, None)]
    with source(tmp_path, model("Regions")) as again:
        assert rows(again.answers(asked(["x"]))) == [("B", 0.55, None)]


def test_two_processes_see_what_the_other_has_set(tmp_path: Path) -> None:
    with source(tmp_path, model("Regions")) as one, source(tmp_path, model("Regions")) as other:
        scores = [rows(each.answers(asked(["x"])))[0][1] for each in (one, other, one, other)]
    assert scores == [0.35, 0.45, 0.55, 0.65]


def test_one_dict_for_many_tasks_is_asked_for_task_by_task(tmp_path: Path) -> None:
    with source(tmp_path, model("OneDict"), **SECRETS) as one_dict:
        expected = [("A", 0.5, None), ("B", 0.5, None), ("A", 0.5, None)]
        assert rows(one_dict.answers(asked(["an a", "bee", "again"]))) == expected


def test_nothing_of_labelgates_settings_stands_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELGATE_LABEL_STUDIO_TOKEN", "admin-token")
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    with source(tmp_path, model("OneDict"), **SECRETS) as one_dict:
        assert rows(one_dict.answers(asked(["a"]))) == [("A", 0.5, None)]  # more where it has any


def test_params_are_its_extra_params_and_can_be_taken_back(tmp_path: Path) -> None:
    for params, score in (({"score": 0.5}, 0.5), ({"score": 0.25}, 0.25), ({}, 0.75)):
        with source(tmp_path, model("Letters", params=params)) as letters:
            assert rows(letters.answers(asked(["a"]))) == [("A", score, None)]


def test_another_labelling_config_makes_another_object(tmp_path: Path) -> None:
    with source(tmp_path, model("Letters")) as letters:
        assert rows(letters.answers(asked(["a"]))) == [("A", 0.75, None)]
        problem = rows(letters.answers(asked(["a"], OTHER_CONFIG)))[0][2]
        assert "label 'A' is not a choice of 'label': Z, B" in str(problem)


def test_a_task_that_it_cannot_do_costs_no_other_its_answer(tmp_path: Path) -> None:
    with source(tmp_path, model("Letters")) as letters:
        found = rows(letters.answers(asked(["a", "raise", "bee", "exit"])))
    who = "the class hosted_classes:Letters failed: "
    assert found == [
        ("A", 0.75, None),
        (None, None, f"{who}ValueError: no letter in it"),
        ("B", 0.75, None),
        (None, None, f"{who}SystemExit: 7"),
    ]


def test_two_projects_with_two_classes_do_not_mix(tmp_path: Path) -> None:
    with (
        source(tmp_path, model("Letters"), 1) as first,
        source(tmp_path, model("Regions"), 2) as second,
        source(tmp_path, model("Letters"), 3, **SECRETS) as third,
    ):
        third.train(LABEL_CONFIG, [], 60)
        versions = [each.reported(LABEL_CONFIG) for each in (first, second, third)]
        assert versions == ["Letters-v0.0.1", "0.0.1", "Letters-v0.0.1+1"]
        said = [rows(each.answers(asked(["an a"])))[0][:2] for each in (first, second, third)]
        assert said == [("A", 0.75), ("B", 0.35), ("B", 0.75)]


def test_a_class_that_was_trained_elsewhere_answers_as_its_new_version(tmp_path: Path) -> None:
    hosted = model("Letters", train=True)
    with source(tmp_path, hosted, **SECRETS) as web, source(tmp_path, hosted, **SECRETS) as trainer:
        assert rows(web.answers(asked(["an a"]))) == [("A", 0.75, None)]
        assert web.reported(LABEL_CONFIG) == "Letters-v0.0.1"
        trainer.train(LABEL_CONFIG, [], 60)
        assert web.reported(LABEL_CONFIG) == "Letters-v0.0.1+1"
        assert rows(web.answers(asked(["an a"]))) == [("B", 0.75, None)]
        trainer.train(LABEL_CONFIG, [], 60)
        assert web.reported(LABEL_CONFIG) == "Letters-v0.0.1+2"


def test_a_class_that_bumps_its_version_is_trained_with_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_HOST", "LABEL_STUDIO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with source(tmp_path, model("Regions", train=True), **SECRETS) as regions:
        regions.train(LABEL_CONFIG, [], 60)
        assert regions.reported(LABEL_CONFIG) == "0.0.1-trained+1"
    with (
        source(tmp_path, model("Regions"), 8, **SECRETS) as tokenless,
        pytest.raises(ModelUnavailableError, match="failed to train: KeyError: 'LABEL_STUDIO_URL'"),
    ):
        tokenless.train(LABEL_CONFIG, [], 60)


def test_a_training_that_fails_and_changes_nothing_makes_no_version(tmp_path: Path) -> None:
    with source(tmp_path, model("Untrainable", train=True), **SECRETS) as untrainable:
        before = untrainable.reported(LABEL_CONFIG)
        with pytest.raises(ModelUnavailableError) as caught:
            untrainable.train(LABEL_CONFIG, [], 60)
        assert str(caught.value) == (
            "the class hosted_classes:Untrainable failed to train: NotImplementedError: Training "
            "is not implemented yet"
        )
        assert untrainable.reported(LABEL_CONFIG) == before
        assert rows(untrainable.answers(asked(["a"])))[0][2] == (
            "the class hosted_classes:Untrainable gave 0 answers to 1 tasks"
        )


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        (
            "yolo.model:YOLO",
            (
                "is not found: no module 'yolo' on the Python path; install it, or put its folder "
                "into PYTHONPATH"
            ),
        ),
        (
            "hosted_classes:Leters",
            (
                "is not there: hosted_classes has no class Leters on LabelStudioMLBase (it has "
                "Hungry, Letters, OneDict, Regions, Slow, Unmade, Untrainable)"
            ),
        ),
        (
            "hosted_classes:NoModel",
            (
                "is not there: hosted_classes has no class NoModel on LabelStudioMLBase (it has "
                "Hungry, Letters, OneDict, Regions, Slow, Unmade, Untrainable)"
            ),
        ),
        ("json:JSON", "is not there: json has no class JSON on LabelStudioMLBase (it has none)"),
        (
            "hosted_classes:Unmade",
            "cannot be made for this labelling config: ValueError: No suitable control tags",
        ),
    ],
)
def test_what_cannot_be_hosted_says_why(tmp_path: Path, named: str, problem: str) -> None:
    with source(tmp_path, model("Letters", **{"class": named})) as hosted:
        with pytest.raises(ModelUnavailableError) as caught:
            hosted.reported(LABEL_CONFIG)
        assert str(caught.value) == f"the class {named} {problem}"
        assert rows(hosted.answers(asked(["a"]))) == [(None, None, f"the class {named} {problem}")]


BASE = "CACHE = {}\nclass LabelStudioMLBase: pass\n"


@pytest.mark.parametrize(
    ("library", "module", "problem"),
    [
        (
            None,
            "",
            (
                "cannot be hosted: label-studio-ml 2.x is not installed beside Labelgate (see "
                "docs/policy.md, Models; or run its own server and name it with kind: upstream)"
            ),
        ),
        (
            "class LabelStudioMLBase: pass",
            "",
            (
                "cannot be hosted: the label-studio-ml that is installed is not of the 2.x line "
                "(see docs/policy.md, Models)"
            ),
        ),
        (
            "import semvers",
            "",
            (
                "cannot be hosted: label-studio-ml cannot be imported: ModuleNotFoundError: No "
                "module named 'semvers'"
            ),
        ),
        (
            BASE,
            "import torches",
            "cannot be loaded: ModuleNotFoundError: No module named 'torches'",
        ),
        (BASE, "1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
        (BASE, "raise SystemExit(2)", "cannot be loaded: SystemExit: 2"),
        (BASE, "class Model(", "cannot be loaded: SyntaxError: '(' was never closed (broken.py, "),
    ],
)
def test_what_is_wrong_with_an_installation_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    library: str | None,
    module: str,
    problem: str,
) -> None:
    place = tmp_path / "modules"
    place.mkdir()
    (place / "broken.py").write_text(module, encoding="utf-8")
    if library is not None:
        (place / "label_studio_ml").mkdir()
        (place / "label_studio_ml" / "model.py").write_text(library, encoding="utf-8")
    monkeypatch.setattr("tests.fakes.hosted.PATH", os.pathsep.join(map(str, (place, ROOT))))
    with source(tmp_path, model("Letters", **{"class": "broken:Model"})) as hosted:
        said = str(rows(hosted.answers(asked(["a"])))[0][2])
    assert said.startswith(f"the class broken:Model {problem}")
