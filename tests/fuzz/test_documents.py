"""Labelling configs and policies, nearly right: read, or refused in words, and never half."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import strategies as st

from backend.policy_remarks import remarks_of
from backend.web.policy_text import code_lines, difference_of
from connectors.label_studio.answer_words import answer_words
from connectors.label_studio.answers import (
    answer_of,
    by_label,
    mentions,
    offers,
    plain_answer,
    result_of,
)
from connectors.label_studio.labeling import Labeling, LabelingError, changes, parse_labeling
from policies.domain import Candidates, FloatArray
from policies.drafting import DraftError, changed_text
from policies.engine import decide
from policies.loading import PolicyError, dump_policy, parse_policy, policy_hash
from policies.schema import Policy
from tests.fakes.policy_documents import make_candidates, policies, policy_document
from tests.fuzz.campaign import Campaign, refused
from tests.fuzz.corpus import CONFIGS, POLICIES
from tests.fuzz.mutations import HOSTILE, TEXTS, mutated, mutated_text
from tests.fuzz.shares import forms

_XML = (
    *("<View>", "</View>", "<Choice/>", "<", ">", "&", "&#0;", "&#x10ffff;", "<![CDATA[", "]]>"),
    *('visibleWhen="x"', 'perRegion="true"', 'choice="multiple"', 'maxUsages="1"', 'alias=""'),
    *('toName="t,t"', 'name=""', 'value="$a$b"', "<!DOCTYPE x>", "<?xml version='1.1'?>", "<!--"),
    *('maxRating="1e9"', 'maxRating="-1"', 'step="0"', 'min="nan"', "<x" * 300, "<View>" * 2000),
)
_YAML = (
    *(
        "- ",
        ": ",
        "\n",
        "  ",
        "{",
        "}",
        "[",
        "]",
        "&a",
        "*a",
        "!!python/object:os.system",
        "|",
        ">",
    ),
    *("---\n", "...", "? ", "<<: ", "#", "\t", "'", '"', "@", "%", "1e400", ".nan", ".inf", "0x1F"),
    *("auto_accept: {max_error_rate: 0.1}", "routes: [{kind: x}]", "[" * 30, "stakes: low\n"),
)
_FIELD_VALUES = [*HOSTILE]


@pytest.mark.parametrize("cases", forms("labelling configs"))
def test_any_labelling_config(request: pytest.FixtureRequest, cases: int) -> None:
    campaign = Campaign("labelling configs")
    configs = st.tuples(mutated_text(CONFIGS, _XML), TEXTS)
    campaign.explore(configs, _read_config, cases)
    campaign.close(request)


def _read_config(case: tuple[str, str]) -> str:
    config, words = case
    try:
        labeling = parse_labeling(config)
    except LabelingError as error:
        return refused(error)
    assert labeling.controls
    changes(parse_labeling(CONFIGS[0]), labeling)
    for answer in (*labeling.labels[:3], words, "[]", '{"c":"A"}', "0"):
        _speak(labeling, answer)
    return "read"


def _speak(labeling: Labeling, answer: str) -> None:
    """Whatever an answer is, it can be shown; and what the config offers comes back as it was."""
    answer_words(labeling, answer)
    mentions(labeling, answer)
    plain_answer(labeling, answer)
    by_label(labeling, {answer: 1})
    if offers(labeling, answer) is None:
        assert answer_of(labeling, result_of(labeling, answer)) is not None
        if labeling.is_list:
            assert answer_of(labeling, result_of(labeling, answer)) == answer


@pytest.mark.parametrize("cases", forms("policies"))
def test_any_policy(request: pytest.FixtureRequest, cases: int) -> None:
    campaign = Campaign("policies")
    full = [dump_policy(parse_policy(text)) for text in POLICIES]
    documents = [policy_document(), *(yaml.safe_load(text) for text in full)]
    texts = (
        mutated_text((*POLICIES, *full), _YAML)
        | mutated(documents).map(_as_yaml)
        | policies().map(dump_policy)
    )
    campaign.explore(texts, _read_policy, cases)
    campaign.close(request)


def _as_yaml(document: object) -> str:
    return json.dumps(document, ensure_ascii=False)  # which is YAML, and may be nested far deeper


def _read_policy(text: str) -> str:
    remarks_of(text, "Digits", 1, CONFIGS[0])
    try:
        policy = parse_policy(text)
    except PolicyError as error:
        return refused(error, len(error.problems))
    dumped = dump_policy(policy)
    assert parse_policy(dumped) == policy
    assert policy_hash(parse_policy(dumped)) == policy_hash(policy)
    code_lines(text)
    difference_of(text, dumped)
    _decided(policy)
    try:
        assert parse_policy(changed_text(text, {("control", "share"): 0.2})).control.share == 0.2
    except DraftError:
        return "read, not drafted"
    return "read"


def _decided(policy: Policy) -> None:
    """It decides on every task, be its fields what they may."""
    rows: list[tuple[int, str | None, float, str | None, Any]] = [
        (place + 1, "cat", 0.5, None, value) for place, value in enumerate(_FIELD_VALUES)
    ]
    rows.append((len(rows) + 1, None, math.nan, "no model yet", None))
    made = make_candidates(rows)
    fields = dict.fromkeys(policy.fields_used, made.fields["source"])
    half: FloatArray = np.full(len(rows), 0.5)
    signals = dict.fromkeys(policy.signals_used, half)
    candidates = Candidates(
        task_ids=made.task_ids,
        labels=made.labels,
        scores=made.scores,
        problems=made.problems,
        fields=fields,
        signals=signals,
    )
    assert len(decide(policy, candidates, model_version="m1")) == len(rows)
