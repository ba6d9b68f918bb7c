"""The shapes of bodies and answers, as JSON Schema 2020-12, each under its name.

The views check bodies by hand, so that a mistake is told with its field and its way out: these
shapes say the same for programs, and a test sends what they describe.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def reference(name: str) -> Schema:
    """A pointer to the shape of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(description: str, needed: Schema, *, optional: Schema | None = None) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": {**needed, **(optional or {})},
        "required": list(needed),
    }


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _number(description: str, **more: Any) -> Schema:
    return {"type": "integer", "description": description, "minimum": 0, **more}


_TIME = {"type": ["string", "null"], "format": "date-time"}
_PROJECT: Schema = {
    "type": ["string", "integer"],
    "description": 'The project\'s number; Label Studio sends "ID.CREATED".',
}
_TRAINING_REQUEST = _object(
    "A training that was asked for, and how far it is.",
    {
        "id": _number("Its number."),
        "state": _text("Such as queued, running, done, failed, refused or cancelled."),
        "says": _text("The same in words."),
        "stage": {"type": ["string", "null"], "description": "What it does now, where it runs."},
        "progress": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "reasons": _list({"type": "string"}),
        "attempts": _number("How often it was begun."),
        "human_labels": {"type": ["integer", "null"]},
        "outcome": {"type": ["string", "null"], "description": "How it ended, in words."},
        "model_version": {"type": ["string", "null"]},
        "requested_at": _TIME,
        "started_at": _TIME,
        "ended_at": _TIME,
    },
)
_INFERENCE = _object(
    "What a deployed model answered to one input.",
    {
        "id": _text("The sender's own; the same id again is stored once.", maxLength=200),
        "predicted": {"description": "The answer, in the words of the project's labelling config."},
        "model_version": _text("The version that answered.", maxLength=200),
    },
    optional={
        "data": {"type": "object", "description": "The input, as the project's tasks have it."},
        "data_sha256": _text("Of the input where it is not sent.", pattern="^[0-9a-f]{64}$"),
        "score": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "at": _text("When it answered; default: now.", format="date-time"),
    },
)
_PROBLEM = _object(
    "What is wrong with one field of one inference.",
    {
        "index": _number("Its place in the batch."),
        "id": {"type": ["string", "null"]},
        "field": {"type": "string"},
        "message": {"type": "string"},
    },
)
_PREDICTION = _object(
    "A pre-label, as Label Studio stores it.",
    {
        "result": _list({"type": "object"}),
        "score": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "model_version": {"type": "string"},
    },
)
_ERROR = _object(
    "Every error has this shape: a code for programs, a message with the way out for people.",
    {
        "error": _object(
            "What went wrong.",
            {"code": {"type": "string"}, "message": {"type": "string"}},
            optional={
                "problems": _list(reference("InferenceProblem")),
                "problem_count": _number("Of all problems; the first ten are listed."),
            },
        )
    },
)

SCHEMAS: dict[str, Schema] = {
    "Error": _ERROR,
    "Health": _object("Alive.", {"status": {"const": "UP"}, "model_class": {"type": "string"}}),
    "Readiness": _object(
        "Ready.", {"status": {"const": "READY"}, "schema": _text("That of the database.")}
    ),
    "Setup": _object(
        "What Label Studio sends as a backend is connected.",
        {"project": _PROJECT},
        optional={"schema": _text("The labelling config, as XML.")},
    ),
    "ModelVersion": _object("The version that serves.", {"model_version": {"type": "string"}}),
    "ModelVersions": _object(
        "The versions that serve, of all projects.", {"versions": _list({"type": "string"})}
    ),
    "PredictRequest": _object(
        "Tasks that want a pre-label. Annotations that come along are never looked at.",
        {"project": _PROJECT, "tasks": _list({"type": "object"})},
        optional={"label_config": _text("The labelling config, as XML; default: the project's.")},
    ),
    "Prediction": _PREDICTION,
    "Predictions": _object(
        "One entry a task, in their order: a prediction, or an empty list where nothing is shown.",
        {
            "results": _list(
                {"anyOf": [reference("Prediction"), {"type": "array", "maxItems": 0}]}
            ),
            "model_version": {"type": "string"},
        },
        optional={
            "problems": _list(
                _object(
                    "A task that got no answer because of itself.",
                    {
                        "index": _number("Its place in the batch."),
                        "task": {"type": ["integer", "null"]},
                        "message": {"type": "string"},
                    },
                )
            )
        },
    ),
    "WebhookEvent": _object(
        "What Label Studio says happened; ids are kept, nothing else.",
        {"action": _text("Such as ANNOTATION_CREATED."), "project": {"type": "object"}},
    ),
    "Stored": _object("It is on disk.", {"status": {"const": "stored"}}),
    "Inference": _INFERENCE,
    "InferenceProblem": _PROBLEM,
    "Inferences": {
        "description": "A batch, taken whole or refused whole; or one inference by itself.",
        "anyOf": [
            _object(
                "A batch.",
                {"inferences": _list(reference("Inference"), maxItems=10_000)},
            )
            | {"additionalProperties": False},
            reference("Inference"),
        ],
    },
    "Receipt": _object(
        "What became of a batch.",
        {
            "received": _number("Inferences of the batch."),
            "stored": _number("New ones."),
            "known": _number("The same id with the same content."),
            "conflicts": _number("The same id with other content: what was first stays."),
            "conflicting": _list({"type": "string"}, maxItems=10),
        },
    ),
    "RewardItems": _object(
        "Answers to prompts.",
        {
            "project": _PROJECT,
            "items": _list(
                _object(
                    "One answer.",
                    {"response": {"type": "string"}},
                    optional={"prompt": {"type": ["string", "null"]}},
                ),
                maxItems=5_000,
            ),
        },
    ),
    "Rewards": _object(
        "One reward an item, in log odds: 0 is the mean answer that was learned from.",
        {"rewards": _list({"type": "number"}), "model_version": {"type": "string"}},
    ),
    "TrainingRequest": _TRAINING_REQUEST,
    "TrainingRequests": _object(
        "The newest twenty, newest first.",
        {"project": _number("The project."), "requests": _list(reference("TrainingRequest"))},
    ),
    "CancelledTrainings": _object(
        "Those that were taken back or stopped; empty where none was open.",
        {"project": _number("The project."), "cancelled": _list(reference("TrainingRequest"))},
    ),
    "OpenApi": {"type": "object", "description": "This document.", "required": ["openapi"]},
}
