"""Alert rules: what is refused, in which words, and when a figure is past its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.alert_wording import ToldAlert, subject_of, text_of
from policies.alerting import AlertRule, Judgement, audience_of, judged
from policies.domain import Estimate
from policies.intervals import UNKNOWN, wilson
from policies.loading import PolicyError, parse_policy

GOOD = """\
project: Digits
stakes: low
tiers:
  - {name: general, reviewers: [a@x.org, b@x.org], cost_per_label: 0.1, daily_capacity: 9}
  - {name: senior, reviewers: [c@x.org], cost_per_label: 1, daily_capacity: 9}
auto_accept: {max_error_rate: 0.05, confidence: 0.95}
alerts:
"""


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (["{when: braker}"], "alerts[0].when = 'braker'  is not one of breaker, drift,"),
        (
            ["{when: breaker, tier: seniors}"],
            "alerts[0].tier = 'seniors'  is not a tier (did you mean 'senior'?)",
        ),
        (
            ["{when: drift, below: 0.5}"],
            "alerts[0].below = 0.5  bounds no figure: drift is an event (leave below out)",
        ),
        (
            ["{when: audit_pass_rate, above: 0.5}"],
            "alerts[0].above = 0.5  says nothing of audit_pass_rate (it is watched with below)",
        ),
        (
            ["{when: audit_pass_rate, below: 95}"],
            "alerts[0].below = 95  must be between 0 and 1 (did you mean 0.95?)",
        ),
        (
            ["{when: queue_days}"],
            "needs above (so many days of the tier's daily_capacity, such as 5)",
        ),
        (
            ["{when: job_failed, above: 1.5}"],
            "alerts[0].above = 1.5  must be a whole number of runs that failed in a row",
        ),
        (
            ["{when: correction_rate, below: 0.3, above: 0.05}"],
            "alerts[0].below = 0.3  is not under above: every figure would be an alert",
        ),
        (
            ["{when: gold}", "{when: gold, tier: senior}"],
            "watches the same as alerts[0] (one rule tells one tier;",
        ),
        (["{when: gold, bellow: 1}"], "alerts[0].bellow  is not a known key"),
    ],
)
def test_rules_that_are_refused(rules: list[str], message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(GOOD + "".join(f"  - {rule}\n" for rule in rules))
    assert message in str(caught.value)


def test_rules_that_are_fine() -> None:
    rules = [
        "{when: breaker, tier: senior}",
        "{when: audit_pass_rate, below: 0.95}",
        "{when: audit_pass_rate}",
        "{when: correction_rate, below: 0.05, above: 0.3}",
        "{when: queue_days, above: 5}",
        "{when: job_failed}",
    ]
    assert len(parse_policy(GOOD + "".join(f"  - {rule}\n" for rule in rules)).alerts) == 6


@given(n=st.integers(1, 400), share=st.floats(0, 1), bound=st.floats(0.01, 0.99))
def test_no_figure_is_past_and_inside_a_bound(n: int, share: float, bound: float) -> None:
    figure = wilson(round(share * n), n)
    found = judged(AlertRule(when="audit_pass_rate", below=bound), figure)
    assert figure.value is not None
    assert (found is Judgement.INSIDE) == (figure.value >= bound)


def test_an_undefined_figure_says_nothing() -> None:
    assert judged(AlertRule(when="agreement", below=0.5), UNKNOWN) is Judgement.UNSURE
    no_interval = Estimate(value=0.1, low=None, high=None, n=3)
    assert judged(AlertRule(when="agreement", below=0.5), no_interval) is Judgement.UNSURE


def test_who_is_told() -> None:
    gold = AlertRule(when="gold", tier="senior")
    bound = AlertRule(when="agreement", below=0.5, tier="general")
    found = audience_of((gold, bound), "gold", None)
    assert found is not None
    assert found.tier == "senior"
    assert audience_of((gold, bound), "agreement", None) is None
    assert audience_of((bound,), "agreement", None) is not None
    own = audience_of((gold, bound), bound.alert, bound.bounds)
    assert own is not None
    assert own.tier == "general"
    assert audience_of((gold,), bound.alert, bound.bounds) is None
    breaker = audience_of((gold,), "breaker", None)
    assert breaker is not None
    assert breaker.tier is None


def test_the_words_of_a_tripped_breaker() -> None:
    told = ToldAlert(
        project_id=7,
        project="Mail",
        alert="breaker",
        about="v3, spam",
        state="opened",
        says="v3, spam: auto-accept is suspended: 9 of 40 audits failed",
        detail={"errors": 9, "good_until": "2026-03-01T09:00:00+00:00"},
        at="2026-03-02T10:11:12+00:00",
        tier="senior",
        people=("c@x.org",),
        opened_at=None,
        link="http://127.0.0.1:9090/#project-7",
    )
    assert subject_of([told]) == "[Labelgate] Mail: breaker, v3, spam"
    assert text_of([told]).splitlines() == [
        ("Alert in project Mail (7): v3, spam: auto-accept is suspended: 9 of 40 audits failed"),
        "By itself: Nothing is accepted for these labels any more; the tasks go to people.",
        "Now: labelgate breaker status --project 7",
        (
            "Then, to take back what was accepted since: labelgate recall --project 7 --since "
            "2026-03-01T09:00:00+00:00 --why TEXT --dry-run"
        ),
        "At 2026-03-02 10:11 UTC · breaker: v3, spam",
        "For tier senior: c@x.org",
        "Page: http://127.0.0.1:9090/#project-7",
    ]
