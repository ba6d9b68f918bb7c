from __future__ import annotations

import pytest
import yaml

from audit_jobs.demo.rehearsal import PEOPLE
from audit_jobs.demo.rules import demo_policy
from policies.explanations import run_tests
from policies.loading import parse_policy
from policies.schema import Policy

REVIEWERS = {"general": ["ann@x.org", "bob@x.org", "cleo@x.org"], "senior": ["sam@x.org"]}
# Nobody should touch the salt; answers that are one of a list are the same or not; and the demo is
# of the model that a project has by default.
# What digits have no use for, and what has a default that is meant for them.
LEFT_OUT = {"salt", "same_answer", "model", "preferences"}


@pytest.mark.parametrize("tasks", [50, 200, 1_797, 20_000])
@pytest.mark.parametrize("labels", [("0", "1"), ("yes", "don't: #no", "ä", "null", '"quoted"')])
def test_the_policy_holds_its_own_tests(labels: tuple[str, ...], tasks: int) -> None:
    policy = parse_policy(demo_policy(7, REVIEWERS, labels, tasks))
    assert policy.tiers[0].labels == labels
    assert len(policy.tests) == 3
    assert [tried.wrong for tried in run_tests(policy)] == [()] * 3


def test_it_uses_every_section() -> None:
    document = yaml.safe_load(demo_policy(7, REVIEWERS, ("0", "1"), 200))
    assert set(document) == set(Policy.model_fields) - LEFT_OUT


def test_simulated_people_err_as_the_demos_own() -> None:
    rates = parse_policy(demo_policy(7, REVIEWERS, ("0", "1"), 200)).simulation.error_rate
    for tier in ("general", "senior"):
        own = [rate for _, of_tier, rate in PEOPLE if of_tier == tier]
        assert rates[tier] == pytest.approx(sum(own) / len(own), abs=0.001)
