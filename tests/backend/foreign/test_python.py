"""An estimator in a file, or a function, as a source of answers."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from backend.predictors.foreign.python import PythonSource
from backend.predictors.foreign.source import ModelUnavailableError
from policies.models import Python
from tests.fakes.foreign_questions import LABEL_CONFIG, asked, rows

TEXTS = ["good", "fine", "bad", "awful"] * 5
LABELS = ["A", "A", "B", "B"] * 5
MODULE = "labelgate_test_triage"


def fitted(last: Any = None) -> Any:
    return make_pipeline(TfidfVectorizer(), last or LogisticRegression()).fit(TEXTS, LABELS)


def source(folder: Path, **model: Any) -> PythonSource:
    return PythonSource(model=Python.model_validate({"kind": "python"} | model), folder=folder)


def refused(made: PythonSource) -> str:
    with pytest.raises(ModelUnavailableError) as caught:
        made.reported(LABEL_CONFIG)
    problem = str(caught.value)
    assert rows(made.answers(asked(["x"]))) == [(None, None, problem)]
    return problem.replace(f"{made.folder}/", "")


def test_an_estimator_gives_its_labels_and_probabilities(tmp_path: Path) -> None:
    estimator = fitted()
    skops.io.dump(estimator, tmp_path / "triage.skops")
    made = source(tmp_path, estimator="triage.skops")
    found = made.answers(asked(["good", 7, "awful", None]))
    expected = estimator.predict_proba(["good", "7", "awful"]).max(axis=1)
    assert found.texts.tolist() == ["A", "A", "B", None]
    assert found.scores[:3] == pytest.approx(expected)
    assert str(found.problems[3]).startswith("data['text']")
    assert found.signals["margin"][0] == pytest.approx(2 * expected[0] - 1)
    assert made.name == "triage"


def test_a_policy_can_name_the_classes(tmp_path: Path) -> None:
    skops.io.dump(fitted(), tmp_path / "m.skops")
    named = source(tmp_path, estimator="m.skops", labels=["B", "A"])
    assert named.answers(asked(["good"])).texts.tolist() == ["B"]
    three = source(tmp_path, estimator="m.skops", labels=["A", "B", "C"])
    assert refused(three) == (
        "the estimator m.skops knows 2 classes, and the policy names 3 labels"
    )


def test_another_file_is_another_version(tmp_path: Path) -> None:
    made = source(tmp_path, estimator="m.skops")
    skops.io.dump(fitted(), tmp_path / "m.skops")
    first = made.reported(LABEL_CONFIG)
    assert made.reported(LABEL_CONFIG) == first
    skops.io.dump(fitted(LogisticRegression(C=9)), tmp_path / "new.skops")
    (tmp_path / "new.skops").replace(tmp_path / "m.skops")
    assert made.reported(LABEL_CONFIG) != first


def test_what_is_no_safe_estimator_is_refused_in_words(tmp_path: Path) -> None:
    assert refused(source(tmp_path, estimator="m.skops")) == (
        "the estimator m.skops: No such file or directory"
    )
    (tmp_path / "p.skops").write_bytes(pickle.dumps(fitted()))
    assert refused(source(tmp_path, estimator="p.skops")) == (
        "the estimator p.skops is no skops file (skops.io.dump writes one; pickles are not read, "
        "because reading one runs what it holds)"
    )
    skops.io.dump(fitted(LinearSVC()), tmp_path / "s.skops")
    assert refused(source(tmp_path, estimator="s.skops")) == (
        "the estimator s.skops gives no probabilities: it needs predict_proba and classes_"
    )
    unsafe = make_pipeline(FunctionTransformer(_shout), TfidfVectorizer(), LogisticRegression())
    skops.io.dump(unsafe.fit(TEXTS, LABELS), tmp_path / "u.skops")
    assert refused(source(tmp_path, estimator="u.skops")).startswith(
        "the estimator u.skops holds types that are not allowed:"
    )


def _shout(texts: list[str]) -> list[str]:
    return [text.upper() for text in texts]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of the team's own, on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / f"{MODULE}.py"
    sys.modules.pop(MODULE, None)


def function(folder: Path, name: str = "f") -> PythonSource:
    return source(folder, function=f"{MODULE}:{name}", labels=["A", "B"])


def test_a_function_gives_a_row_for_each_text(written: Path) -> None:
    written.write_text("def f(texts):\n    return [[0.25, 0.75] for _ in texts]\n", "utf-8")
    made = function(written.parent)
    assert rows(made.answers(asked(["x", "y"]))) == [("B", 0.75, None)] * 2
    assert rows(made.answers(asked([]))) == []
    assert len(made.reported(LABEL_CONFIG)) == 12


def test_a_function_may_name_its_version(written: Path) -> None:
    written.write_text("def f(texts):\n    pass\n\nf.version = 3\n", "utf-8")
    assert function(written.parent).reported(LABEL_CONFIG) == "3"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise OSError('disk')", "failed: OSError: disk"),
        (
            "return None",
            "gave one numbers, not 2 by 2: a row for each text, a column for each label",
        ),
        (
            "return [[1.0]] * len(texts)",
            "gave 2 by 1 numbers, not 2 by 2: a row for each text, a column for each label",
        ),
        (
            "return [[1, 0]]",
            "gave 1 by 2 numbers, not 2 by 2: a row for each text, a column for each label",
        ),
        ("return [[0.9, 0.9]] * 2", "gave no probabilities: a row must sum to 1"),
        ("return [[float('nan'), 1]] * 2", "gave no probabilities: a row must sum to 1"),
        ("return [[-1, 2]] * 2", "gave no probabilities: a row must sum to 1"),
    ],
)
def test_whatever_a_function_does_is_told(written: Path, body: str, problem: str) -> None:
    written.write_text(f"def f(texts):\n    {body}\n", "utf-8")
    found = function(written.parent).answers(asked(["x", "y"]))
    name = f"{MODULE}:f"
    assert found.problems.tolist() == [f"the model {name} {problem}"] * 2
    assert np.isnan(found.scores).all()


def test_a_row_that_is_wrong_costs_no_other_its_answer(written: Path) -> None:
    written.write_text("def f(texts):\n    return [[1, 0], [3, 0], [0, 1]]\n", "utf-8")
    found = function(written.parent).answers(asked(["x", "y", "z"]))
    assert found.texts.tolist() == ["A", None, "B"]


def test_a_function_that_is_not_there_is_told(written: Path) -> None:
    written.write_text("f = 3\nimport json\n", "utf-8")
    assert refused(function(written.parent)) == (
        f"the function {MODULE}:f is none: it cannot be called"
    )
    assert refused(function(written.parent, "g")) == (
        f"the function {MODULE}:g cannot be loaded: AttributeError: module '{MODULE}' has no "
        "attribute 'g'"
    )


def test_what_is_no_choice_on_a_text_is_not_asked(written: Path) -> None:
    written.write_text("def f(texts):\n    return [[1, 0]]\n", "utf-8")
    config = LABEL_CONFIG.replace("<Text", "<Image")
    assert function(written.parent).answers(asked(["x"], config)).problems.tolist() == [
        "a model of kind python picks one label for a text, and 'label' asks for choice on image"
    ]
