"""Good documents that cases begin with: labelling configs, results, policies, rows of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fakes.inferences import inference
from tests.fakes.web_project import CONFIG, POLICY

ROOT = Path(__file__).parents[2]
_TEXT = '<Text name="t" value="$text"/>'
_TWO = '<Choice value="A"/><Choice value="B" alias="b"/>'
_IMAGE = '<Image name="i" value="$image"/>'


def _view(*parts: str) -> str:
    return f"<View>{''.join(parts)}</View>"


CONFIGS = (
    CONFIG,
    _view(_TEXT, f'<Choices name="s" toName="t" choice="multiple">{_TWO}</Choices>'),
    _view(
        _TEXT,
        '<Taxonomy name="tree" toName="t"><Choice value="Food"><Choice value="Fruit"/></Choice>'
        '<Choice value="Tools"/></Taxonomy>',
    ),
    _view(_TEXT, '<Number name="n" toName="t" min="0" max="9" step="0.5"/>'),
    _view(_TEXT, '<Rating name="r" toName="t" maxRating="5"/>'),
    _view(_TEXT, '<Labels name="l" toName="t"><Label value="PER"/><Label value="LOC"/></Labels>'),
    _view(_IMAGE, '<RectangleLabels name="b" toName="i"><Label value="Cat"/></RectangleLabels>'),
    _view(_IMAGE, '<BrushLabels name="m" toName="i"><Label value="Cat"/></BrushLabels>'),
    _view(_IMAGE, f'<Choices name="c" toName="i">{_TWO}</Choices>'),
    _view('<HyperText name="t" value="$text"/>', f'<Choices name="c" toName="t">{_TWO}</Choices>'),
    _view('<Table name="t" value="$row"/>', f'<Choices name="c" toName="t">{_TWO}</Choices>'),
    _view(_TEXT, '<TextArea name="w" toName="t" required="true"/>'),
    _view(
        '<Text name="p" value="$prompt"/><Text name="a" value="$left"/>'
        '<Text name="b" value="$right"/><Pairwise name="w" toName="a,b"/>'
    ),
    _view(
        '<List name="x" value="$answers" title="Answers"/>',
        '<Ranker name="k" toName="x"><Bucket name="good" title="Good" default="true"/>'
        '<Bucket name="bad"/></Ranker>',
    ),
    _view(
        _TEXT,
        f'<Choices name="c" toName="t">{_TWO}</Choices><Rating name="r" toName="t"/>'
        '<Labels name="l" toName="t"><Label value="PER"/></Labels>',
    ),
)
TASK_DATA: dict[str, Any] = {
    "text": "Jane ate <b>apples</b> &amp; pears",
    "image": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "row": {"height": 3.5, "colour": "red", "n": 4},
    "prompt": "Where is it?",
    "left": "Here.",
    "right": "There.",
    "answers": [{"id": "1", "title": "One", "body": "x"}, {"id": "2", "title": "Two", "body": "y"}],
    "source": "press",
}
_BOX = {"x": 10.0, "y": 20.0, "width": 30.0, "height": 40.0, "rotation": 0}
_ON_IMAGE = {"original_width": 100, "original_height": 50, "image_rotation": 0}


def _item(name: str, to: str, kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"id": f"r-{name}", "from_name": name, "to_name": to, "type": kind, "value": value}
    return {**said, **more}


RESULT: list[dict[str, Any]] = [
    _item("label", "text", "choices", {"choices": ["A"]}),
    _item("c", "t", "choices", {"choices": ["A"]}, score=0.5),
    _item("s", "t", "choices", {"choices": ["A", "b"]}),
    _item("tree", "t", "taxonomy", {"taxonomy": [["Food", "Fruit"]]}),
    _item("n", "t", "number", {"number": 4.5}),
    _item("r", "t", "rating", {"rating": 4}),
    _item("l", "t", "labels", {"start": 0, "end": 4, "text": "Jane", "labels": ["PER"]}, score=0.9),
    _item("b", "i", "rectanglelabels", {**_BOX, "rectanglelabels": ["Cat"]}, **_ON_IMAGE),
    _item(
        "p", "i", "polygonlabels", {"points": [[1, 1], [9, 1], [5, 9]], "closed": True}, **_ON_IMAGE
    ),
    _item(
        "e",
        "i",
        "ellipselabels",
        {"x": 5, "y": 5, "radiusX": 2, "radiusY": 1, "rotation": 9},
        **_ON_IMAGE,
    ),
    _item("k2", "i", "keypointlabels", {"x": 5, "y": 5, "width": 0.3}, **_ON_IMAGE),
    _item(
        "m",
        "i",
        "brushlabels",
        {"format": "rle", "rle": [0, 0, 78, 32, 59, 51, 0], "brushlabels": ["Cat"]},
        **_ON_IMAGE,
    ),
    _item(
        "v",
        "i",
        "videorectangle",
        {
            "sequence": [{**_BOX, "frame": 1, "enabled": True, "time": 0.1}],
            "framesCount": 9,
            "labels": ["Cat"],
        },
    ),
    _item("ts", "i", "timeserieslabels", {"start": 1.0, "end": 2.0, "timeserieslabels": ["Cat"]}),
    _item(
        "h",
        "t",
        "hypertextlabels",
        {
            "start": "/p[1]",
            "end": "/p[1]",
            "startOffset": 1,
            "endOffset": 4,
            "globalOffsets": {"start": 1, "end": 4},
            "hypertextlabels": ["PER"],
        },
    ),
    _item("d", "t", "datetime", {"datetime": "2026-03-01T12:00"}),
    _item("w", "a", "pairwise", {"selected": "left"}),
    _item("w", "t", "textarea", {"text": ["a note"]}),
    _item("k", "x", "ranker", {"ranker": {"good": ["1"], "bad": ["2"]}}),
    {"type": "relation", "from_id": "r-l", "to_id": "r-b", "direction": "left", "labels": ["of"]},
]
ANNOTATION: dict[str, Any] = {
    "id": 7,
    "completed_by": {"id": 3, "email": "ann@example.com"},
    "result": RESULT,
    "was_cancelled": False,
    "ground_truth": False,
    "created_at": "2026-03-01T10:00:00.000000Z",
    "updated_at": "2026-03-01T10:00:01.000000Z",
    "lead_time": 4.2,
    "parent_prediction": None,
    "updated_by": 3,
}
TASK: dict[str, Any] = {
    "id": 5,
    "data": TASK_DATA,
    "created_at": "2026-03-01T09:00:00.000000Z",
    "updated_at": "2026-03-01T10:00:01.000000Z",
    "annotations": [ANNOTATION, {**ANNOTATION, "id": 8, "completed_by": 4}],
    "predictions": [],
    "agreement": 50.0,
}
EVENTS = tuple(
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tests" / "contract" / "payloads").glob("*.json"))
)
INFERENCES = (inference(1), inference(2, score=None, at=None))
POLICIES = (
    POLICY,
    *(
        path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "policies" / "presets").glob("*.yaml"))
    ),
)
PAIR = {
    "id": "p1",
    "prompt": "Where?",
    "input": "Berlin",
    "response_a": "Here.",
    "response_b": "There.",
    "judgments": {"ann:ab": "a", "ann:ba": "tie", "bob": "none"},
    "criteria": {"tone": {"ann": "b"}},
    "gold": "a",
}
RESPONSES = {"id": "q1", "prompt": "Where?", "responses": ["Here.", "There."], "topic": {"a": 1}}


def _sampling(percentage: int) -> dict[str, Any]:
    parameters = {"RandomSamplingPercentage": percentage}
    return {"ConditionType": "Sampling", "ConditionParameters": parameters}


CONDITIONS = {
    "Conditions": [
        {
            "ConditionType": "ModerationLabelConfidenceCheck",
            "ConditionParameters": {"ModerationLabelName": "Weapon", "ConfidenceLessThan": 90},
        },
        _sampling(5),
        {
            "And": [
                {
                    "ConditionType": "ImportantFormKeyConfidenceCheck",
                    "ConditionParameters": {
                        "ImportantFormKey": "Pay Date",
                        "ImportantFormKeyAliases": ["PayDate"],
                        "KeyValueBlockConfidenceLessThan": 100,
                        "WordBlockConfidenceGreaterThan": 0,
                    },
                },
                {"Or": [_sampling(1)]},
            ]
        },
    ]
}
