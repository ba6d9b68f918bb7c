"""The model section of a policy: what it takes, and the exact words for what it refuses."""

from __future__ import annotations

import pytest

from policies.loading import PolicyError, dump_policy, parse_policy
from policies.models import EmbeddedModel, HostedModel, LlmModel, Python, PythonModel, UpstreamModel

GOOD = """\
project: Digits
stakes: low
tiers:
  - {name: general, reviewers: [a@x.org, b@x.org], cost_per_label: 0.1, daily_capacity: 9}
routes: []
auto_accept: never
"""
SECOND = "model: {second: {kind: upstream, url: 'http://yolo:9090'}}"
ASKED = GOOD.replace("routes: []", "routes: [{kind: model_disagreement, tier: general}]")


def said(section: str, policy: str = GOOD) -> str:
    with pytest.raises(PolicyError) as caught:
        parse_policy(policy + section, "digits.yaml")
    return str(caught.value).replace("digits.yaml:", "")


def test_without_the_section_the_model_is_labelgates_own() -> None:
    assert parse_policy(GOOD).model == EmbeddedModel(kind="embedded")
    assert parse_policy(GOOD + "model: {embeddings: off}").model == EmbeddedModel(embeddings="off")


def test_every_kind_is_read_with_its_defaults() -> None:
    upstream = parse_policy(GOOD + "model: {kind: upstream, url: 'http://yolo:9090/ml'}").model
    assert isinstance(upstream, UpstreamModel)
    assert (upstream.timeout_s, upstream.batch, upstream.region_score) == (30.0, 50, "lowest")
    assert (upstream.train, upstream.credentials, upstream.second) == (False, None, None)
    function = parse_policy(GOOD + "model: {kind: python, function: 'a.b:c', labels: [x, y]}").model
    assert isinstance(function, PythonModel)
    assert (function.function, function.labels) == ("a.b:c", ("x", "y"))
    llm = parse_policy(GOOD + "model: {kind: llm, model: small}").model
    assert isinstance(llm, LlmModel)
    assert (llm.samples, llm.output, llm.parallel) == (None, "json_schema", 4)
    assert llm.price_per_million_tokens.input == 0


def test_a_hosted_class_is_read_and_written_under_its_own_key() -> None:
    text = GOOD + "model: {kind: label-studio-ml, class: 'yolo.model:YOLO', params: {size: [1]}}"
    policy = parse_policy(text)
    assert isinstance(policy.model, HostedModel)
    assert (policy.model.class_, policy.model.params) == ("yolo.model:YOLO", {"size": [1]})
    assert (policy.model.process, policy.model.train, policy.model.batch) == ("own", False, 50)
    assert parse_policy(dump_policy(policy)) == policy


def test_a_second_class_is_another_class() -> None:
    first = "kind: label-studio-ml, class: 'a:B'"
    said_of_it = said(f"model: {{{first}, second: {{{first}}}}}", ASKED)
    assert said_of_it == (
        "7  model.second.class = 'a:B'  is the first model's too: the two would share their state "
        "(name another class, or a subclass)"
    )
    other = f"model: {{{first}, second: {{kind: label-studio-ml, class: 'a:C'}}}}"
    assert parse_policy(ASKED + other).model.second is not None


def test_a_second_model_is_asked_by_a_route_however_deep_it_stands() -> None:
    nested = "routes: [{all: [{kind: score, below: 0.9}, {not: {kind: model_disagreement}}], "
    deep = GOOD.replace("routes: []", nested + "tier: general}]")
    section = "model: {kind: llm, model: m, second: {kind: python, estimator: m.skops}}"
    for policy in (ASKED, deep):
        parsed = parse_policy(policy + section)
        assert isinstance(parsed.model.second, Python)
        assert parse_policy(dump_policy(parsed)) == parsed


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("model: upstream", "7  model = 'upstream'  must be a mapping of keys to values"),
        (
            "model: {kind: upsteam, url: 'http://x'}",
            (
                "7  model.kind = 'upsteam'  is not one of embedded, upstream, python, llm, "
                "label-studio-ml (did you mean 'upstream'?)"
            ),
        ),
        ("model: {kind: upstream}", "7  model.url  is missing"),
        (
            "model: {kind: upstream, url: 'http://me:secret@x'}",
            (
                "7  model.url = 'http://me:secret@x'  must be an http:// or https:// address of a "
                "host, without user, password, ? and #"
            ),
        ),
        (
            "model: {kind: upstream, url: 'http://x', credentials: ../../etc}",
            (
                "7  model.credentials = '../../etc'  must be a name of small letters, digits, - "
                "and _"
            ),
        ),
        (
            "model: {kind: upstream, url: 'http://x', region_score: min, batch: 0, tran: true}",
            (
                "7  model.batch = 0  must be between 1 and 1000\n"
                "7  model.region_score = 'min'  is not one of lowest, mean, product\n"
                "7  model.tran  is not a known key (did you mean 'train'?)"
            ),
        ),
        (
            "model: {kind: upstream, url: 'http://x', timeout_s: 0}",
            "7  model.timeout_s = 0  must be above 0 and at most 600",
        ),
        (
            "model: {kind: python}",
            "7  model  needs one of 'estimator' and 'function', and has none",
        ),
        (
            "model: {kind: python, estimator: a.skops, function: 'a:b', labels: [x]}",
            "7  model  needs one of 'estimator' and 'function', and has both",
        ),
        (
            "model: {kind: python, function: 'a:b'}",
            (
                "7  model  needs 'labels': nothing else says what a function's columns mean "
                "(labels: one for each column, in their order)"
            ),
        ),
        (
            "model: {kind: python, function: 'a.py', labels: [x]}",
            "7  model.function = 'a.py'  must be module:name",
        ),
        (
            "model: {kind: python, estimator: a.skops, labels: [x, y, x]}",
            "7  model.labels[2] = 'x'  stands twice in this list",
        ),
        ("model: {kind: llm}", "7  model.model  is missing"),
        (
            "model: {kind: llm, model: m, samples: 1}",
            "7  model.samples = 1  must be between 3 and 50",
        ),
        (
            "model: {kind: llm, model: m, key: sk-123}",
            (
                "7  model.key  is not a known key (known: kind, model, instruction, "
                "samples, output, max_tokens, timeout_s, parallel, price_per_million_tokens, "
                "second)"
            ),
        ),
        (
            "model: {kind: llm, model: m, price_per_million_tokens: {inputs: 1}}",
            (
                "7  model.price_per_million_tokens.inputs  is not a known key "
                "(did you mean 'input'?)"
            ),
        ),
        ("model: {kind: label-studio-ml}", "7  model.class  is missing"),
        (
            "model: {kind: label-studio-ml, class: yolo.model.YOLO}",
            "7  model.class = 'yolo.model.YOLO'  must be module:Name",
        ),
        (
            "model: {kind: label-studio-ml, class: 'yolo.model:YOLO', process: worker, batch: 0}",
            (
                "7  model.batch = 0  must be between 1 and 1000\n"
                "7  model.process = 'worker'  is not one of own, inside"
            ),
        ),
        (
            "model: {kind: label-studio-ml, class: 'a:B', clas: 'a:B'}",
            "7  model.clas  is not a known key (did you mean 'class'?)",
        ),
        (
            "model: {kind: label-studio-ml, class: 'a:B', process: inside, train: true}",
            (
                "7  model.train = true  needs process: own: a class inside a process keeps what "
                "it learned from the others (take process: inside out)"
            ),
        ),
        (
            SECOND,
            (
                "7  model.second  is asked by no route: it would cost and decide nothing (add the "
                "route {kind: model_disagreement, tier: ...}, or take it out)"
            ),
        ),
    ],
)
def test_one_mistake(section: str, message: str) -> None:
    assert said(section) == message


def test_the_second_model_is_another_one() -> None:
    assert said("model: {second: {url: 'http://x'}}", ASKED) == (
        "7  model.second.kind  is missing (upstream, python, llm or label-studio-ml)"
    )
    assert said("model: {second: {kind: embedded}}", ASKED) == (
        "7  model.second.kind = 'embedded'  is not one of upstream, python, llm, label-studio-ml"
    )


def test_a_route_cannot_ask_for_a_second_model_that_is_not_there() -> None:
    assert said("", ASKED) == (
        "5  routes[0]  asks what a second model says, and there is none "
        "(name one under model.second)"
    )
