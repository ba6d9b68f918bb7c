"""What answers to prompts are worth, for programs that choose among them."""

from __future__ import annotations

from flask import Blueprint, Response

from backend.reward_scores import (
    MOST_ITEMS,
    NoRewardModelError,
    RewardItemsError,
    answers_of,
    reward_model,
)
from backend.web.access import Role, needs
from backend.web.bodies import json_object, project_id
from backend.web.errors import RequestError, json_response
from backend.web.state import web

blueprint = Blueprint("reward_api", __name__)


@blueprint.post("/v1/reward")
@needs(Role.VIEWER)
def reward() -> Response:
    """One reward an item, in their order; only those of answers to one prompt compare.

    A reward is in units of log odds, 0 for the mean answer that was learned from.
    """
    body = json_object()
    snapshot = web().snapshots.get(project_id(body.get("project")))
    items = body.get("items")
    if items is None:
        raise RequestError(400, "missing_field", "items is missing: send a list of items")
    if not isinstance(items, list):
        raise RequestError(400, "wrong_type", f"items must be a list, not {type(items).__name__}")
    if len(items) > MOST_ITEMS:
        raise RequestError(
            413, "too_many_items", f"{len(items):,} items: send at most {MOST_ITEMS:,} at once"
        )
    try:
        rewards = reward_model(snapshot).worths(answers_of(items))
    except NoRewardModelError as error:
        raise RequestError(409, "no_reward_model", str(error)) from error
    except RewardItemsError as error:
        raise RequestError(400, "wrong_item", str(error)) from error
    return json_response({"rewards": rewards, "model_version": snapshot.model_version})
