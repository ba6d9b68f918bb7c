"""How each route for programs is described, by its endpoint and method.

Summary and description are the view's docstring; here stands what a docstring does not hold. Pages
for people need no entry: ``document`` describes them alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from backend.web.openapi.schemas import Schema, reference

JSON = "application/json"
# How a sender proves itself: names of ``document.SECURITY``, any of which will do.
PASSWORD = ("password",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer by its meaning; ``shape`` names one of ``schemas``, None where there is none.

    ``content_type`` is empty where nothing comes with the answer.
    """

    meaning: str
    shape: str | None = None
    content_type: str = JSON

    @property
    def schema(self) -> Schema:
        """The shape of its body; any JSON where none is named."""
        if self.shape is None:
            return {} if self.content_type == JSON else {"type": "string"}
        return reference(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a route takes and answers. Every error beside has the shape ``Error``.

    ``example`` is a body that the route takes; ``headers`` are those it looks at, with their
    meaning; ``proof`` is how a sender proves itself, empty where nobody has to.
    """

    answers: Mapping[int, Answer]
    body: str | None = None
    example: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    proof: tuple[str, ...] = PASSWORD


_TASK = {"id": 5, "data": {"text": "the parcel never came"}}
_INFERENCE = {
    "id": "req-1",
    "data": {"text": "the parcel never came"},
    "predicted": "A",
    "score": 0.93,
    "model_version": "text-7",
}
_REFUSED = Answer(
    meaning="Refused: the message says what is wrong, and the way out.", shape="Error"
)
_TRAINING = "training_api"

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ml_api.health", method): Operation(
        answers={200: Answer(meaning="The server is up.", shape="Health")}, proof=()
    )
    for method in ("GET", "POST")
} | {
    ("readiness.show", "GET"): Operation(
        answers={
            200: Answer(meaning="Requests can be answered.", shape="Readiness"),
            503: Answer(meaning="The database does not answer, or is not ours.", shape="Error"),
        },
        proof=(),
    ),
    ("ml_api.setup", "POST"): Operation(
        body="Setup",
        example={"project": "1.1795358297"},
        answers={200: Answer(meaning="The version.", shape="ModelVersion")},
    ),
    ("ml_api.predict", "POST"): Operation(
        body="PredictRequest",
        example={"project": "1.1795358297", "tasks": [_TASK]},
        answers={200: Answer(meaning="The pre-labels.", shape="Predictions")},
    ),
    ("ml_api.versions", "GET"): Operation(
        answers={200: Answer(meaning="Their names.", shape="ModelVersions")}
    ),
    ("ml_api.metrics", "GET"): Operation(
        answers={200: Answer(meaning="Prometheus text format.", content_type=CONTENT_TYPE_LATEST)}
    ),
    ("webhook.receive", "POST"): Operation(
        body="WebhookEvent",
        example={"action": "TASKS_CREATED", "project": {"id": 1}, "tasks": [{"id": 5}]},
        answers={201: Answer(meaning="It is kept.", shape="Stored"), 401: _REFUSED, 403: _REFUSED},
        proof=("webhookSecret", *PASSWORD),
    ),
    ("inference_api.take", "POST"): Operation(
        body="Inferences",
        example={"inferences": [_INFERENCE]},
        headers={"Idempotency-Key": "A name of the batch: sent again it gets the same answer."},
        answers={
            202: Answer(meaning="It is on disk.", shape="Receipt"),
            400: _REFUSED,
            409: Answer(meaning="Another batch came under this key.", shape="Error"),
            429: Answer(meaning="Too many at once: again in a second.", shape="Error"),
        },
        proof=("inferenceToken",),
    ),
    ("reward_api.reward", "POST"): Operation(
        body="RewardItems",
        example={"project": 1, "items": [{"prompt": "Where is it?", "response": "On its way."}]},
        answers={
            200: Answer(meaning="The rewards.", shape="Rewards"),
            409: Answer(meaning="No reward model serves the project.", shape="Error"),
        },
    ),
    (f"{_TRAINING}.show", "GET"): Operation(
        answers={200: Answer(meaning="The requests.", shape="TrainingRequests")}
    ),
    (f"{_TRAINING}.ask", "POST"): Operation(
        answers={
            202: Answer(meaning="It is queued, or was.", shape="TrainingRequest"),
            409: Answer(meaning="It cannot be met yet.", shape="Error"),
        }
    ),
    (f"{_TRAINING}.cancel", "DELETE"): Operation(
        answers={200: Answer(meaning="Those that were open.", shape="CancelledTrainings")}
    ),
    ("openapi.show", "GET"): Operation(
        answers={200: Answer(meaning="The document.", shape="OpenApi")}
    ),
}
