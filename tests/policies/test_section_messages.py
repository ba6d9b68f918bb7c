"""The exact words about the sections that may be left out: near misses, ranges and floors."""

from __future__ import annotations

import pytest

from policies.loading import PolicyError, parse_policy

GOOD = """\
project: Digits
stakes: low
tiers:
  - {name: general, reviewers: [a@x.org, b@x.org], cost_per_label: 0.1, daily_capacity: 9}
  - {name: senior, reviewers: [c@x.org], cost_per_label: 1, daily_capacity: 9}
auto_accept: {max_error_rate: 0.05, confidence: 0.95}
"""


def said(section: str, stakes: str = "low") -> str:
    with pytest.raises(PolicyError) as caught:
        parse_policy(GOOD.replace("stakes: low", f"stakes: {stakes}") + section, "digits.yaml")
    return str(caught.value)


def test_the_policy_that_the_others_break_is_good() -> None:
    assert parse_policy(GOOD).tier_names == ("general", "senior")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "monitoring: {shares: 0.1}",
            "monitoring.shares  is not a known key (did you mean 'share'?)",
        ),
        (
            "monitoring: {share: 5}",
            "monitoring.share = 5  must be between 0 and 1 (did you mean 0.05?)",
        ),
        (
            "monitoring: {rules: [{when: {below: 0.5}, share: 0.1}]}",
            (
                "monitoring.rules[0].when.kind  is missing (what the condition looks at, such as "
                "predicted_label, score or task_field)"
            ),
        ),
        (
            "monitoring: {rules: [{when: {kind: score}, share: 0.1}]}",
            "monitoring.rules[0].when  needs one of 'below' and 'above', and has none",
        ),
        (
            'monitoring: {rules: [{when: {kind: task_field, field: a, regex: "("}, share: 0.1}]}',
            (
                "monitoring.rules[0].when.regex = '('  is no regular expression: missing ), "
                "unterminated subpattern at position 0"
            ),
        ),
        (
            "monitoring: {rules: [{when: {all: [{kind: margin, below: 0.1}]}, share: 0.1}]}",
            (
                "monitoring.rules[0].when.all[0].kind = 'margin'  is not known of a deployed "
                "model's answers: nothing would match (use score, predicted_label, task_field, "
                "novelty or near_duplicate)"
            ),
        ),
        (
            (
                "monitoring: {mask: [a], rules: [{share: 0.1, "
                "when: {not: {kind: task_field, field: a, equals: x}}}]}"
            ),
            (
                "monitoring.rules[0].when.not.field = 'a'  looks at 'a', which monitoring.mask "
                "blanks before anything is stored (take it out of one of them)"
            ),
        ),
        (
            'monitoring: {fetch: {url: "http://x.org/data"}}',
            (
                "monitoring.fetch  says where data comes from that is not kept, but "
                "monitoring.keep stores it (use keep: ids, or leave fetch out)"
            ),
        ),
        (
            "prices: {tooling_per_lable: 1}",
            "prices.tooling_per_lable  is not a known key (did you mean 'tooling_per_label'?)",
        ),
        (
            "prices: {labour: 1}",
            (
                "prices.labour  is not a known key (known: tooling_per_label, "
                "compute_per_prediction, compute_per_training)"
            ),
        ),
        (
            "prices: {compute_per_training: -1}",
            "prices.compute_per_training = -1  must be at least 0",
        ),
        ("prices: free", "prices = 'free'  must be a mapping of keys to values"),
        (
            "simulation: {error_rates: {general: 0.1}}",
            "simulation.error_rates  is not a known key (did you mean 'error_rate'?)",
        ),
        (
            "simulation: {error_rate: {generel: 0.1}}",
            "simulation.error_rate.generel = 0.1  is the rate of no tier (did you mean 'general'?)",
        ),
        (
            "simulation: {error_rate: {boss: 0.1}}",
            (
                "simulation.error_rate.boss = 0.1  is the rate of no tier "
                "(the tiers are general, senior)"
            ),
        ),
        (
            "simulation: {error_rate: {general: 5}}",
            (
                "simulation.error_rate.general = 5  must be at least 0 and below 1 "
                "(did you mean 0.05?)"
            ),
        ),
        (
            "simulation: {error_rate: {'': 0.1}}",
            "simulation.error_rate.  must not be empty",
        ),
        (
            "simulation: {confusion: neighbor}",
            (
                "simulation.confusion = 'neighbor'  is not one of uniform, neighbour "
                "(did you mean 'neighbour'?)"
            ),
        ),
        (
            "escalation: {minimum_concensus: 0.7}",
            "escalation.minimum_concensus  is not a known key (did you mean 'minimum_consensus'?)",
        ),
        (
            "escalation: {minimum_consensus: 0.3}",
            "escalation.minimum_consensus = 0.3  must be above 0.5 and at most 1",
        ),
        (
            "gold: {share: 0.3}",
            "gold.share = 0.3  must be between 0 and 0.2",
        ),
        (
            "gold: {share: 0.1, minimum: 80}",
            "gold.minimum = 80  must be above 0 and below 1 (did you mean 0.8?)",
        ),
        (
            "gold: {minimum: 0.8}",
            (
                "gold.minimum = 0.8  needs gold in the queues: nobody would be measured, and who "
                "is under it could never come back (set gold.share, such as 0.05)"
            ),
        ),
        (
            "gold: {tasks: [7, 9, 7]}",
            "gold.tasks[2] = 7  stands twice in this list",
        ),
        (
            "gold: {tasks: [first]}",
            "gold.tasks[0] = 'first'  must be a whole number",
        ),
        (
            "agreement: {overlap: 2, most: 5}",
            (
                "agreement.most = 5  asks for 5 answers to a task, but no tier has more than 2 "
                "reviewers (add reviewers to a tier, lower most or set agreement.share to 0)"
            ),
        ),
        (
            "agreement: {overlap: 3, most: 2, share: 0}",
            (
                "agreement.most = 2  is under agreement.overlap: every such task has 3 readers "
                "from the start (use 3 or more, or leave it out)"
            ),
        ),
        (
            "agreement: {confidence: 95}",
            "agreement.confidence = 95  must be above 0.5 and below 1 (did you mean 0.95?)",
        ),
        (
            "sampling: {ramdom: 0.5, random: 0.5, uncertainty: 0.5}",
            "sampling.ramdom  is not a known key (did you mean 'random'?)",
        ),
        (
            "sampling: {by: margine}",
            (
                "sampling.by = 'margine'  is not one of least_confidence, margin, entropy "
                "(did you mean 'margin'?)"
            ),
        ),
        (
            "automation: [{kind: near_duplicat}]",
            (
                "automation[0].kind = 'near_duplicat'  is not one of exact_duplicate, "
                "near_duplicate, language, format, boilerplate (did you mean 'near_duplicate'?)"
            ),
        ),
        (
            "automation: [{name: twins}]",
            (
                "automation[0].kind  is missing (exact_duplicate, near_duplicate, language, "
                "format or boilerplate)"
            ),
        ),
        (
            "automation: [{kind: near_duplicate, similarty: 0.9}]",
            "automation[0].similarty  is not a known key (did you mean 'similarity'?)",
        ),
        (
            "automation: [{kind: near_duplicate, similarity: 90}]",
            "automation[0].similarity = 90  must be between 0.5 and 1 (did you mean 0.9?)",
        ),
        (
            "automation: [{kind: near_duplicate, name: ' twins'}]",
            (
                "automation[0].name = ' twins'  must be 1 to 50 characters on one line, without "
                "space at its ends"
            ),
        ),
        (
            "automation: [{kind: language, labels: {english: English}}]",
            (
                "automation[0].labels.english  is no language: must be its ISO 639-1 code in "
                "small letters, such as en"
            ),
        ),
        (
            "automation: [{kind: format, labels: {jsn: code}}]",
            (
                "automation[0].labels.jsn  is not one of date, e-mail, html, json, number, phone, "
                "url, xml (did you mean 'json'?)"
            ),
        ),
    ],
)
def test_one_mistake(section: str, message: str) -> None:
    assert said(section) == f"digits.yaml:7  {message}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "confidence: 0.95",
            "confidence: 0.95, each_lable: true",
            (
                "digits.yaml:6  auto_accept.each_lable  is not a known key "
                "(did you mean 'each_label'?)"
            ),
        ),
        (
            "confidence: 0.95",
            "confidence: 0.95, labels: {cat: {max_eror_rate: 0.1}}",
            (
                "digits.yaml:6  auto_accept.labels.cat.max_eror_rate  is not a known key "
                "(did you mean 'max_error_rate'?)"
            ),
        ),
        (
            "confidence: 0.95",
            "confidence: 0.95, labels: {cat: {max_error_rate: 2}}",
            (
                "digits.yaml:6  auto_accept.labels.cat.max_error_rate = 2  must be above 0 and "
                "below 0.5 (did you mean 0.02?)"
            ),
        ),
        (
            "cost_per_label: 0.1,",
            "cost_per_label: 0.1, task_type: [claim],",
            "digits.yaml:4  tiers[0].task_type  is not a known key (did you mean 'task_types'?)",
        ),
    ],
)
def test_keys_inside_tiers_and_promises(old: str, new: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(GOOD.replace(old, new, 1), "digits.yaml")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("stakes", "floor", "below", "enough"),
    [
        ("low", "0.001", 0.0009, 0.001),
        ("sensitive", "0.02", 0.019, 0.02),
        ("regulated", "0.1", 0.09, 0.10),
    ],
)
def test_monitoring_has_a_floor_that_rises_with_the_stakes(
    stakes: str, floor: str, below: float, enough: float
) -> None:
    assert said(f"monitoring: {{share: {below}}}", stakes) == (
        f"digits.yaml:7  monitoring.share = {below}  is under the monitoring floor of {floor} for "
        f"{stakes} stakes: a model in production that nobody checks goes wrong unseen "
        f"(use {floor} or more, or leave it out)"
    )
    text = GOOD.replace("stakes: low", f"stakes: {stakes}")
    assert parse_policy(text + f"monitoring: {{share: {enough}}}").monitoring.share == enough


@pytest.mark.parametrize(
    ("stakes", "share"), [("low", 0.005), ("sensitive", 0.03), ("regulated", 0.15)]
)
def test_what_is_monitored_where_the_policy_says_nothing(stakes: str, share: float) -> None:
    policy = parse_policy(GOOD.replace("stakes: low", f"stakes: {stakes}"))
    assert policy.monitoring.share == share


def test_a_rule_of_monitoring_may_ask_for_surer_answers_because_it_decides_no_task() -> None:
    rule = "{when: {kind: score, above: 0.9}, share: 0.1}"
    policy = parse_policy(f"{GOOD}monitoring: {{rules: [{rule}]}}")
    assert policy.monitoring.rules[0].share == 0.1


def test_a_masked_field_is_no_slice() -> None:
    assert said("monitoring: {mask: [name], slices: [country, name]}") == (
        "digits.yaml:7  monitoring.slices[1] = 'name'  is masked, so that all answers would be in "
        "one slice (take it out of monitoring.mask or out of the slices)"
    )
    assert parse_policy(GOOD + "monitoring: {mask: [name], slices: [country]}").monitoring.mask
