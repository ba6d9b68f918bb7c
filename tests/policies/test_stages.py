"""The stage of a loop: one word, whatever is true of it, and the most pressing one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.stages import Stage, Standing, stage_of

ACCEPTING = Standing(
    has_model=True, may_accept=True, proved=True, suspended=False, trains=False, drifted=False
)
facts = st.builds(
    Standing,
    has_model=st.booleans(),
    may_accept=st.booleans(),
    proved=st.booleans(),
    suspended=st.booleans(),
    trains=st.booleans(),
    drifted=st.booleans(),
)


@pytest.mark.parametrize(
    ("standing", "stage"),
    [
        (ACCEPTING, Stage.ACCEPTING),
        (replace(ACCEPTING, proved=False), Stage.COLLECTING_CONTROL),
        (replace(ACCEPTING, may_accept=False), Stage.ASSISTING),
        (replace(ACCEPTING, trains=True), Stage.RETRAINING),
        (replace(ACCEPTING, trains=True, drifted=True), Stage.DRIFTED),
        (replace(ACCEPTING, drifted=True, suspended=True), Stage.SUSPENDED),
        (replace(ACCEPTING, has_model=False), Stage.NO_MODEL),
        (replace(ACCEPTING, has_model=False, trains=True), Stage.FIRST_TRAINING),
    ],
)
def test_the_stage_is_the_most_pressing_thing(standing: Standing, stage: Stage) -> None:
    assert stage_of(standing) is stage


@given(facts)
def test_nothing_is_called_accepting_that_does_not_accept(standing: Standing) -> None:
    if stage_of(standing) is Stage.ACCEPTING:
        assert standing.has_model
        assert standing.may_accept
        assert standing.proved
        assert not standing.suspended
        assert not standing.drifted


@given(facts)
def test_without_a_model_there_is_no_other_stage(standing: Standing) -> None:
    of_beginning = stage_of(standing) in (Stage.NO_MODEL, Stage.FIRST_TRAINING)
    assert of_beginning is not standing.has_model


def test_every_stage_has_words_of_its_own() -> None:
    assert len({stage.words for stage in Stage}) == len(Stage)
