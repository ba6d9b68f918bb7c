"""The exact words that an admin reads. A changed message is a changed product."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.loading import PolicyError, load_policy, parse_policy

GOOD = """\
project: Digits
stakes: low
tiers:
  - {name: general, reviewers: [a@x.org, b@x.org], cost_per_label: 0.1, daily_capacity: 9}
  - {name: senior, reviewers: [c@x.org], cost_per_label: 1, daily_capacity: 9}
routes:
  - {kind: predicted_label, in: ["8"], tier: senior}
  - {kind: task_field, field: source, equals: press, tier: senior}
auto_accept:
  max_error_rate: 0.05
  confidence: 0.95
audit: {share: 0.05}
"""


def said(text: str) -> str:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "digits.yaml")
    return str(caught.value)


def test_the_policy_that_the_others_break_is_good() -> None:
    assert parse_policy(GOOD).tier_names == ("general", "senior")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '["8"], tier: senior',
            '["8"], tier: seniour',
            "digits.yaml:7  routes[0].tier = 'seniour'  is not a tier (did you mean 'senior'?)",
        ),
        (
            '["8"], tier: senior',
            '["8"], tier: boss',
            "digits.yaml:7  routes[0].tier = 'boss'  is not a tier (the tiers are general, senior)",
        ),
        (
            '["8"]',
            "[8]",
            "digits.yaml:7  routes[0].in[0] = 8  must be text (put it in quotes)",
        ),
        ('["8"]', "[]", "digits.yaml:7  routes[0].in  must have at least one entry"),
        ('["8"]', '"8"', "digits.yaml:7  routes[0].in = '8'  must be a list"),
        (
            "predicted_label",
            "predicted_lable",
            (
                "digits.yaml:7  routes[0].kind = 'predicted_lable'  is not one of predicted_label, "
                "score, margin, entropy, task_field, source, class_support, novelty, "
                "near_duplicate, version_disagreement, model_disagreement, "
                "upstream_disagreement, region_count, lowest_region_score, interval_width, "
                "random_share, all, "
                "any, not (did you mean 'predicted_label'?)"
            ),
        ),
        (
            "{kind: predicted_label, ",
            "{",
            (
                "digits.yaml:7  routes[0].kind  is missing (what the condition looks at, such as "
                "predicted_label, score or task_field)"
            ),
        ),
        (
            '{kind: predicted_label, in: ["8"], tier: senior}',
            "press",
            "digits.yaml:7  routes[0] = 'press'  must be a mapping of keys to values",
        ),
        (
            "equals: press",
            "equals: press, in: [a]",
            (
                "digits.yaml:8  routes[1]  needs one of 'equals', 'in', 'regex' and 'range', "
                "and has 'equals' and 'in'"
            ),
        ),
        (
            ", equals: press",
            "",
            (
                "digits.yaml:8  routes[1]  needs one of 'equals', 'in', 'regex' and 'range', "
                "and has none"
            ),
        ),
        (
            "equals: press",
            "equals: [press]",
            "digits.yaml:8  routes[1].equals  must be text, a number, true or false",
        ),
        (
            "stakes: low",
            "stakes: lo",
            (
                "digits.yaml:2  stakes = 'lo'  is not one of low, sensitive, regulated "
                "(did you mean 'low'?)"
            ),
        ),
        (
            "stakes: low\n",
            "",
            "digits.yaml:1  stakes  is missing (low, sensitive or regulated)",
        ),
        (
            "project: Digits",
            "project: true",
            "digits.yaml:1  project = true  must be a project's title or its number",
        ),
        (
            "daily_capacity: 9}\n  - {name: senior",
            "daily_capacity: 1.5}\n  - {name: senior",
            "digits.yaml:4  tiers[0].daily_capacity = 1.5  must be a whole number",
        ),
        (
            "daily_capacity: 9}\n  - {name: senior",
            "daily_capacity: 0}\n  - {name: senior",
            "digits.yaml:4  tiers[0].daily_capacity = 0  must be at least 1",
        ),
        (
            ", daily_capacity: 9}\n  - {name: senior",
            "}\n  - {name: senior",
            "digits.yaml:4  tiers[0].daily_capacity  is missing",
        ),
        (
            "cost_per_label: 0.1",
            "cost_per_label: -0.1",
            "digits.yaml:4  tiers[0].cost_per_label = -0.1  must be at least 0",
        ),
        (
            "cost_per_label: 0.1",
            "cost_per_label: .nan",
            "digits.yaml:4  tiers[0].cost_per_label = nan  must be a finite number",
        ),
        (
            "cost_per_label: 0.1",
            "cost_per_label: .inf",
            "digits.yaml:4  tiers[0].cost_per_label = inf  must be a finite number",
        ),
        (
            "cost_per_label: 0.1",
            'cost_per_label: "0.1"',
            "digits.yaml:4  tiers[0].cost_per_label = '0.1'  must be a number",
        ),
        (
            "reviewers: [c@x.org]",
            "reviewers: [c@x.org, eve]",
            "digits.yaml:5  tiers[1].reviewers[1] = 'eve'  is not an e-mail address",
        ),
        (
            "reviewers: [c@x.org]",
            "reviewers: [c@x.org, C@x.org]",
            "digits.yaml:5  tiers[1].reviewers[1] = 'C@x.org'  stands twice in this tier",
        ),
        (
            "name: general",
            "name: Control",
            (
                "digits.yaml:4  tiers[0].name = 'Control'  is reserved: Audit and Control are "
                "views of their own (take another name)"
            ),
        ),
        (
            "name: general",
            "name: Senior",
            (
                "digits.yaml:5  tiers[1].name = 'senior'  is the name of tiers[0].name too "
                "(each tier needs a name of its own)"
            ),
        ),
        (
            "name: general",
            'name: " general"',
            (
                "digits.yaml:4  tiers[0].name = ' general'  must be 1 to 50 characters on one "
                "line, without space at its ends"
            ),
        ),
        (
            "max_error_rate: 0.05",
            "max_error_rate: 5",
            (
                "digits.yaml:10  auto_accept.max_error_rate = 5  must be above 0 and below 0.5 "
                "(did you mean 0.05?)"
            ),
        ),
        (
            "confidence: 0.95",
            "confidence: 0.4",
            "digits.yaml:11  auto_accept.confidence = 0.4  must be above 0.5 and below 1",
        ),
        (
            "confidence: 0.95",
            "confidance: 0.95",
            (
                "digits.yaml:9  auto_accept.confidence  is missing\n"
                "digits.yaml:11  auto_accept.confidance  is not a known key "
                "(did you mean 'confidence'?)"
            ),
        ),
        (
            "confidence: 0.95",
            "confidence: 0.95\n  floor: 0.5",
            (
                "digits.yaml:12  auto_accept.floor = 0.5  is under the score floor of 0.70 for low "
                "stakes: no label with a lower score may be accepted without a person "
                "(use 0.70 or more, or leave it out)"
            ),
        ),
        (
            "auto_accept:\n  max_error_rate: 0.05\n  confidence: 0.95\n",
            "auto_accept: newer\n",
            (
                "digits.yaml:9  auto_accept = 'newer'  must be 'never' or a mapping with "
                "max_error_rate and confidence (did you mean 'never'?)"
            ),
        ),
        (
            "auto_accept:\n  max_error_rate: 0.05\n  confidence: 0.95\n",
            "",
            "digits.yaml:1  auto_accept  is missing ('never', or max_error_rate and confidence)",
        ),
        (
            "confidence: 0.95\n",
            "confidence: 0.95\n  never: [a]\n  labels: {a: {}, b: {max_error: 0.1}}\n",
            (
                "digits.yaml:13  auto_accept.labels.a  has a promise, and auto_accept.never "
                "says that it is never accepted (take it out of one of them)\n"
                "digits.yaml:13  auto_accept.labels.b.max_error  is not a known key (did you mean "
                "'max_error_rate'?)"
            ),
        ),
        (
            "audit: {share: 0.05}",
            "audit: {share: 0.001}",
            (
                "digits.yaml:12  audit.share = 0.001  is under the audit floor of 0.01 for low "
                "stakes: accepts that nobody looks at cannot be defended (use 0.01 or more)"
            ),
        ),
        (
            "audit: {share: 0.05}",
            "audit:",
            "digits.yaml:12  audit = null  must be a mapping of keys to values",
        ),
        (
            "audit: {share: 0.05}",
            "control: {share: 0.02}",
            "digits.yaml:12  control.share = 0.02  must be between 0.05 and 0.5",
        ),
        (
            "audit: {share: 0.05}",
            "control: {share: 0.4}\nholdout: {share: 0.3}",
            (
                "digits.yaml:12  control.share = 0.4  and holdout.share make 0.70 of all tasks: at "
                "most 0.60 may be held back, the rest is routed and trained on"
            ),
        ),
        (
            "audit: {share: 0.05}",
            "holdout: {share: 10, tier: juniour}",
            (
                "digits.yaml:12  holdout.tier = 'juniour'  is not a tier (did you mean 'senior'?)\n"
                "digits.yaml:12  holdout.share = 10  must be between 0.05 and 0.5 "
                "(did you mean 0.1?)"
            ),
        ),
        (
            "audit: {share: 0.05}",
            "agreement: {overlap: 3}",
            (
                "digits.yaml:12  agreement.overlap = 3  asks for 3 answers to a task, but no tier "
                "has more than 2 reviewers (add reviewers to a tier, lower the overlap or set "
                "agreement.share to 0)"
            ),
        ),
        (
            "audit: {share: 0.05}",
            "retrain: {after_annotations: true}",
            "digits.yaml:12  retrain.after_annotations = true  must be a whole number",
        ),
        (
            "audit: {share: 0.05}",
            "retrain: {protected: {zero: 5}}",
            (
                "digits.yaml:12  retrain.protected.zero = 5  must be between 0 and 1 "
                "(did you mean 0.05?)"
            ),
        ),
        (
            "audit: {share: 0.05}",
            "retrain: {shadow: {task: 100}}",
            "digits.yaml:12  retrain.shadow.task  is not a known key (did you mean 'tasks'?)",
        ),
        (
            "audit: {share: 0.05}",
            "audits: {share: 0.05}",
            "digits.yaml:12  audits  is not a known key (did you mean 'audit'?)",
        ),
        (
            "audit: {share: 0.05}",
            "<<: {share: 0.05}",
            (
                "digits.yaml:12  <<  is not a known key (known: project, stakes, salt, tiers, "
                "routes, auto_accept, control, holdout, audit, breaker, drift, corrections, "
                "alerts, agreement, model, retrain, automation, "
                "sampling, escalation, gold, same_answer, monitoring, "
                "preferences, prices, simulation, tests)"
            ),
        ),
        (
            "audit: {share: 0.05}",
            "stakes: low",
            "digits.yaml:12  stakes  is given twice, first on line 2",
        ),
        (
            "audit: {share: 0.05}",
            "? [a]\n: b",
            "digits.yaml:12  has a list or mapping for a key",
        ),
        (
            "audit: {share: 0.05}",
            "tests: [{name: a, expect: {outcome: acept}}]",
            (
                "digits.yaml:12  tests[0].expect.outcome = 'acept'  is not one of accept, review "
                "(did you mean 'accept'?)"
            ),
        ),
        (
            "audit: {share: 0.05}",
            "tests: [{name: a, expect: {outcome: review, tier: seniour}}]",
            (
                "digits.yaml:12  tests[0].expect.tier = 'seniour'  is not a tier "
                "(did you mean 'senior'?)"
            ),
        ),
        (
            "audit: {share: 0.05}",
            "tests: [{name: a, prediction: {probabilities: {a: 30}}, expect: {outcome: review}}]",
            (
                "digits.yaml:12  tests[0].prediction.probabilities.a = 30  must be between 0 and 1 "
                "(did you mean 0.3?)"
            ),
        ),
        (
            "equals: press",
            "regex: '(a+)+'",
            (
                "digits.yaml:8  routes[1].regex = '(a+)+'  repeats a group that itself repeats or "
                "chooses, which can take for ever"
            ),
        ),
        (
            "equals: press",
            "range: {min: 3, max: 1}",
            "digits.yaml:8  routes[1].range.min = 3  is above max, 1: nothing would match",
        ),
        (
            "equals: press",
            "range: {}",
            "digits.yaml:8  routes[1].range  needs 'min', 'max' or both",
        ),
        (
            "{kind: task_field, field: source, equals: press, tier",
            "{kind: score, above: 0.9, tier",
            (
                "digits.yaml:8  routes[1].above = 0.9  sends surer answers to people while less "
                "sure ones may be accepted (use 'below')"
            ),
        ),
        (
            "{kind: task_field, field: source, equals: press, tier",
            "{kind: class_support, above: 3, tier",
            (
                "digits.yaml:8  routes[1].below  is missing\n"
                "digits.yaml:8  routes[1].above  is not a known key (known: kind, below, tier)"
            ),
        ),
        (
            "audit: {share: 0.05}",
            "salt: ''",
            "digits.yaml:12  salt = ''  must not be empty",
        ),
    ],
)
def test_one_mistake(old: str, new: str, message: str) -> None:
    assert old in GOOD
    assert said(GOOD.replace(old, new, 1)) == message


@pytest.mark.parametrize(
    ("key", "values", "limits"),
    [
        ("labels", ["8", "9"], "certain labels"),
        ("task_types", ["mail"], "certain types of task"),
    ],
)
def test_the_top_tier_decides_everything(key: str, values: list[str], limits: str) -> None:
    general, senior = "general, reviewers", "senior, reviewers"
    assert parse_policy(GOOD.replace(general, f"general, {key}: {values}, reviewers"))
    assert said(GOOD.replace(senior, f"senior, {key}: {values}, reviewers")) == (
        f"digits.yaml:5  tiers[1].{key}  limits the top tier to {limits}, but it decides all that "
        f"the others may not (leave {key} out of the last tier, or add a more expert one after it)"
    )


@pytest.mark.parametrize("stakes", ["sensitive", "regulated"])
def test_a_flat_pool_is_refused_where_errors_cost(stakes: str) -> None:
    flat = f"""\
project: 7
stakes: {stakes}
tiers:
  - {{name: all, reviewers: [a@x.org], cost_per_label: 0.1, daily_capacity: 9}}
auto_accept: never
"""
    assert said(flat) == (
        f"digits.yaml:3  tiers  is a flat pool of one tier: {stakes} stakes need at least 2, so "
        "that experts check and adjudicate (add a more expert tier at the end)"
    )


@pytest.mark.parametrize(
    ("stakes", "floor", "share"), [("sensitive", "0.80", "0.02"), ("regulated", "0.90", "0.05")]
)
def test_the_floors_rise_with_the_stakes(stakes: str, floor: str, share: str) -> None:
    text = GOOD.replace("stakes: low", f"stakes: {stakes}").replace("share: 0.05", "share: 0.011")
    assert said(text.replace("confidence: 0.95", "confidence: 0.95\n  floor: 0.79")) == (
        f"digits.yaml:12  auto_accept.floor = 0.79  is under the score floor of {floor} for "
        f"{stakes} stakes: no label with a lower score may be accepted without a person "
        f"(use {floor} or more, or leave it out)\n"
        f"digits.yaml:13  audit.share = 0.011  is under the audit floor of {share} for {stakes} "
        f"stakes: accepts that nobody looks at cannot be defended (use {share} or more)"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "digits.yaml:1  is empty (start from a preset in policies/presets)"),
        ("# nothing\n", "digits.yaml:1  is empty (start from a preset in policies/presets)"),
        ("- a\n", "digits.yaml:1  must be a mapping of keys to values, and is a list"),
        ("low\n", "digits.yaml:1  must be a mapping of keys to values, and is a single value"),
        (
            "a: 1\nb: [1\n",
            (
                "digits.yaml:3  is not valid YAML: while parsing a flow sequence, "
                "expected ',' or ']', but got '<stream end>'"
            ),
        ),
        (
            "a: &x [1]\nb: *x\n",
            "digits.yaml:1  uses a YAML anchor or alias, which a policy may not (write it out)",
        ),
        (
            "a: 1\nb: !!python/object/apply:os.system [ls]\n",
            "digits.yaml:2  uses a YAML tag, which a policy may not (leave it out)",
        ),
        (
            "a: 1\n---\nb: 1\n",
            "digits.yaml:2  holds a second document (one policy a file)",
        ),
        ("a: " + "[" * 30, "digits.yaml:1  is nested deeper than 20 levels"),
        (
            "a: 1\nb: \x07\n",
            "digits.yaml:2  holds the character '\\x07', which YAML does not allow",
        ),
        ("#" * 1_000_001, "digits.yaml:1  is larger than 1 MB (a policy is a short file)"),
    ],
)
def test_a_text_that_is_no_policy(text: str, message: str) -> None:
    assert said(text) == message


def test_all_problems_come_at_once_in_the_order_of_their_lines() -> None:
    text = GOOD.replace("stakes: low", "stakes: lo").replace("confidence: 0.95", "confidence: 95")
    text = text.replace("tier: senior}\n  -", "tier: seniour}\n  -").replace("audit:", "audti:")
    assert [line.split("  ")[0] for line in said(text).splitlines()] == [
        "digits.yaml:2",
        "digits.yaml:7",
        "digits.yaml:11",
        "digits.yaml:12",
    ]


def test_a_long_value_is_cut() -> None:
    text = GOOD.replace("stakes: low", "stakes: " + "x" * 500)
    assert said(text) == (
        f"digits.yaml:2  stakes = '{'x' * 56}...  is not one of low, sensitive, regulated"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"project: 1\nstakes: l\xf6w\n", "is not UTF-8 text: byte 0xf6 (save it as UTF-8)"),
        (b"\xff" * 1_000_001, "is larger than 1 MB (a policy is a short file)"),
        ("ä".encode() * 500_001, "is larger than 1 MB (a policy is a short file)"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "digits.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PolicyError) as caught:
        load_policy(file)
    where, _, what = str(caught.value).partition("  ")
    assert what == message
    assert where == (f"{file}:2" if content and b"stakes" in content else str(file))
