"""Answers of every kind on the real Label Studio: imported, accepted and read back the same."""

from __future__ import annotations

import secrets

import pytest

from connectors.annotation_tool import Prelabel
from connectors.label_studio.answers import answer_of, result_of, scored_answer_of
from connectors.label_studio.client import LabelStudioTool
from connectors.label_studio.labeling import parse_labeling
from policies.answer_texts import (
    RANK,
    controls_text,
    ranking_text,
    regions_text,
    set_text,
    spans_text,
)
from tests.running_label_studio import RunningLabelStudio

TEXT = '<Text name="text" value="$text"/>'
MANY = (
    '<Choices name="many" toName="text" choice="multiple"><Choice value="joy"/>'
    '<Choice value="fear"/><Choice value="anger"/></Choices>'
)
TREE = (
    '<Taxonomy name="tree" toName="text"><Choice value="Food"><Choice value="Fruit"/></Choice>'
    '<Choice value="Tools"/></Taxonomy>'
)
SPANS = '<Labels name="spans" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>'
STARS = '<Rating name="stars" toName="text" maxRating="4"/>'
NUMBER = '<Number name="number" toName="text"/>'
NOTE = '<TextArea name="note" toName="text"/>'
BOXES = (
    '<Image name="image" value="$image"/><RectangleLabels name="boxes" toName="image">'
    '<Label value="Car"/><Label value="Dog"/></RectangleLabels>'
)
PAIR = '<Text name="other" value="$other"/><Pairwise name="pair" toName="text,other"/>'
ITEMS = '<List name="items" value="$items"/>'
ORDER = f'{ITEMS}<Ranker name="order" toName="items"/>'
BUCKETS = (
    f'{ITEMS}<Ranker name="order" toName="items"><Bucket name="best"/>'
    '<Bucket name="rest"/></Ranker>'
)
DATA = {
    "text": "Zoë 😀 met Bo in Rome",
    "other": "another text",
    "items": [{"id": name, "title": name, "body": f"answer {name}"} for name in ("d1", "d2", "d3")],
    "image": "https://example.com/a.png",
}
BOX = {"x": 10.25, "y": 20, "width": 30, "height": 5.5, "rotation": 0, "rectanglelabels": ["Car"]}


def box(x: float) -> dict[str, object]:
    size = {"original_width": 640, "original_height": 480, "image_rotation": 0}
    return {"type": "rectanglelabels", **size, "value": BOX | {"x": x}}


@pytest.mark.parametrize(
    ("controls", "answer", "scores"),
    [
        (MANY, set_text(["joy", "fear"]), (0.9, 0.6)),
        (MANY, set_text(["anger"]), ()),
        (TREE, set_text(["Food", "Food / Fruit"]), ()),
        (TREE.replace("toName", 'maxUsages="1" toName'), "Food / Fruit", ()),
        (STARS, "3", ()),
        (NUMBER, "3.5", ()),
        (NUMBER, "-12", ()),
        (NOTE, "two\nlines", ()),
        (SPANS, spans_text([(0, 3, "PER"), (16, 20, "LOC")]), (0.8, 0.4)),
        (PAIR, "right", ()),
        (ORDER, ranking_text({RANK: ["d3", "d1", "d2"]}), ()),
        (BUCKETS, ranking_text({"best": ["d3"], "rest": ["d2", "d1"]}), ()),
        (BOXES, regions_text([box(10.25), box(40)]), (0.7, 0.2)),
        (
            f"{STARS}{SPANS}{MANY}",
            controls_text({"stars": "4", "spans": spans_text([(4, 5, "LOC")]), "many": "[]"}),
            (0.5,),
        ),
    ],
)
def test_what_is_imported_and_accepted_is_read_back_the_same(
    label_studio: RunningLabelStudio, controls: str, answer: str, scores: tuple[float, ...]
) -> None:
    config = f"<View>{TEXT}{controls}</View>"
    labeling = parse_labeling(config)
    _, robot_token = label_studio.new_user("answers-robot")
    tool = LabelStudioTool(label_studio.url, label_studio.token, robot_token)
    project = label_studio.project(f"answers {secrets.token_hex(2)}", config)
    (task_id,) = tool.import_tasks(project, [DATA])
    result = result_of(labeling, answer, scores, DATA)
    prelabel = Prelabel(task_id=task_id, result=result, score=0.5, model_version="v1")
    assert tool.import_predictions(project, [prelabel]) == 1
    assert tool.accept(project, [task_id], "v1") == 1

    (task,) = tool.annotated_among(project, [task_id])
    (annotation,) = task.annotations
    assert annotation.result == result
    assert answer_of(labeling, annotation.result) == answer
    if scores:
        assert scored_answer_of(labeling, annotation.result)[1] == pytest.approx(
            scores if controls != MANY else (0.6, 0.6)
        )
