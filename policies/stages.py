"""The stage that a project's loop is in, as one word: what an admin should know of it first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """One word for the whole loop.

    ``NO_MODEL``: people label, and there are too few labels to train on. ``FIRST_TRAINING``: the
    first model is being trained. ``ASSISTING``: the policy never accepts, people confirm every
    answer. ``COLLECTING_CONTROL``: a model serves, and what it may accept is not proved yet.
    ``ACCEPTING``: the promise is proved, and answers are accepted under it. ``RETRAINING``: the
    same or the one before, while a new version is trained. ``DRIFTED``: the traffic is no longer
    what the model was made for. ``SUSPENDED``: a breaker has tripped, and at least some answers
    are not accepted.
    """

    NO_MODEL = "no_model"
    FIRST_TRAINING = "first_training"
    ASSISTING = "assisting"
    COLLECTING_CONTROL = "collecting_control"
    ACCEPTING = "accepting"
    RETRAINING = "retraining"
    DRIFTED = "drifted"
    SUSPENDED = "suspended"

    @property
    def words(self) -> str:
        """The same as people read it.

        >>> Stage.COLLECTING_CONTROL.words
        'collecting control answers'
        """
        return _WORDS[self]


_WORDS = {
    Stage.NO_MODEL: "no model yet",
    Stage.FIRST_TRAINING: "training the first model",
    Stage.ASSISTING: "people confirm every label",
    Stage.COLLECTING_CONTROL: "collecting control answers",
    Stage.ACCEPTING: "accepting",
    Stage.RETRAINING: "retraining",
    Stage.DRIFTED: "drifted",
    Stage.SUSPENDED: "suspended",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the stage is told by.

    ``has_model``: a version serves. ``may_accept``: the policy has an auto-accept rule.
    ``proved``: at least one group of answers has a threshold in force. ``suspended``: at least one
    is suspended. ``trains``: a training is under way. ``drifted``: the alert of drift is open.
    """

    has_model: bool
    may_accept: bool
    proved: bool
    suspended: bool
    trains: bool
    drifted: bool


def stage_of(standing: Standing) -> Stage:
    """The stage: of all that is true of the loop the most pressing thing.

    >>> stage_of(Standing(has_model=True, may_accept=True, proved=True, suspended=False,
    ...                   trains=False, drifted=False)).words
    'accepting'
    """
    if not standing.has_model:
        return Stage.FIRST_TRAINING if standing.trains else Stage.NO_MODEL
    if standing.suspended:
        return Stage.SUSPENDED
    if standing.drifted:
        return Stage.DRIFTED
    if standing.trains:
        return Stage.RETRAINING
    if not standing.may_accept:
        return Stage.ASSISTING
    return Stage.ACCEPTING if standing.proved else Stage.COLLECTING_CONTROL
