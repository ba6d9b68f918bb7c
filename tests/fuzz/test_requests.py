"""Every route of the OpenAPI document, asked by nobody, a viewer and an admin, with anything.

No answer is a 5xx, none takes long, each has the shape that the document gives it, and the ledger
is afterwards what it was before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from werkzeug.test import TestResponse

from backend.store.models import all_versions
from backend.web.openapi.document import document_of
from backend.web.searches import FIELDS, PLACES
from tests.fakes.visitors import HTML, quick_passwords
from tests.fuzz.campaign import Campaign
from tests.fuzz.mutations import WHOLE_TEXTS, mutated, mutated_text
from tests.fuzz.shares import forms
from tests.fuzz.surroundings import SHOWN, Surroundings, Who, surroundings

__all__ = ["quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")

# What pages read of an address, and forms of their fields.
_SLIDERS = (
    *("max_error_percent", "confidence_percent", "cost_of_error", "audit_percent"),
    *("control_percent", "capacity_0", "capacity_1", "accept"),
)
_QUERY = (*FIELDS, *PLACES, *_SLIDERS, "job", "project", "find", "next", "left", "changed")
_FORM = (
    *("csrf", "name", "password", "token", "next", "present", "new", "again", "project", "days"),
    *("note", "job", "version", "serving", "why", "instead_of", "reason", "confirmed", *_SLIDERS),
)
# Values that mean something to one of these fields.
_MEANT = (
    *(
        "1",
        "2",
        "7",
        "0.5",
        "99",
        "yes",
        "all",
        "A",
        "routed",
        "accept",
        "review",
        "score",
        "oldest",
    ),
    *("newest", "2026-03-01", "2026-03-01T14:30", "0.75~3", "0.1~0", "nan~1", "general", "senior"),
    *("auto_accept", "routes[0]", "v1", "alerts", "retrain", "failed", "admin", "abc", "/jobs"),
)
_HEADERS = (
    *("Authorization", "Cookie", "Host", "Origin", "X-Forwarded-For", "X-Labelgate-Secret"),
    *("X-Labelgate-Csrf", "X-Labelgate-Rehearsal", "Idempotency-Key", "Accept", "Referer"),
    *("Content-Type", "If-None-Match", "Range", "Accept-Language"),
)
_HEADER_VALUES = st.sampled_from(
    [
        *(
            "",
            "Bearer",
            "Bearer lga_x",
            "Basic",
            "Basic OjpiOg==",
            "Basic \xff",
            "Digest x",
            "null",
        ),
        *(
            "labelgate=x",
            "labelgate=a; labelgate=b",
            "127.0.0.1, 8.8.8.8",
            "evil.example",
            "[",
            "*/*",
        ),
        *("bytes=0-1", "text/html;q=x", "multipart/form-data", "application/json; charset=utf-99"),
        *("x" * 5000, "abcdef0123456789", "http://localhost", "\xe4\xf6"),
    ]
)


@pytest.mark.parametrize("cases", forms("requests"))
def test_any_request(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    cases: int,
) -> None:
    _explore(surroundings(tmp_path, monkeypatch), Campaign("requests"), request, cases)


@pytest.mark.parametrize("cases", forms("requests on PostgreSQL"))
def test_any_request_on_postgresql(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    postgresql_url: str,
    cases: int,
) -> None:
    found = surroundings(tmp_path, monkeypatch, postgresql_url)
    _explore(found, Campaign("requests on PostgreSQL"), request, cases)


def _explore(
    around: Surroundings, campaign: Campaign, request: pytest.FixtureRequest, cases: int
) -> None:
    truth = around.truth()
    before = around.rows()
    campaign.explore(_requests(around, (Who.NOBODY,)), _asks(around), cases // 8)
    assert around.rows() == before, "somebody without a proof changed the store"
    campaign.explore(
        _requests(around, (Who.VIEWER, Who.ADMIN, Who.ADMIN)), _asks(around), cases - cases // 8
    )
    assert around.truth() == truth
    around.worked.runtime.sessions.kw["bind"].dispose()
    campaign.close(request)


def _requests(around: Surroundings, who: Sequence[Who]) -> st.SearchStrategy[dict[str, Any]]:
    """Requests of one operation, each with who sends it."""
    document = json.loads(json.dumps(document_of(around.app)))
    for path in document["paths"].values():
        for operation in path.values():
            # Proofs are brought by who sends it; made up here they would take most of the time.
            operation["x-proofs"] = [name for each in operation.pop("security") for name in each]
    loaded = schemathesis.openapi.from_dict(document)
    loaded.app = around.app  # so that requests take the form that its client sends
    operations = [found.ok() for found in loaded.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == sum(map(len, document["paths"].values()))
    known = _known(around)
    return st.one_of([_request(around, operation, who, known) for operation in operations])


def _known(around: Surroundings) -> dict[str, list[Any]]:
    with around.worked.runtime.reads() as session:
        versions = [each.version for each in all_versions(session, around.project_id)]
    return {
        "project_id": [around.project_id, SHOWN],
        "version": [*versions, "v7"],
        "seq": [1, 2, 150],
        "run_id": [1, 2, 3],
        "link_id": [1, 2],
        "digest": [around.worked.project.policy_hash],
    }


def _request(
    around: Surroundings,
    operation: APIOperation[Any, Any, Any, Any],
    who: Sequence[Who],
    known: dict[str, list[Any]],
) -> st.SearchStrategy[dict[str, Any]]:
    raw = operation.definition.raw
    named = [each["name"] for each in raw.get("parameters", ()) if each["in"] == "path"]
    content = raw.get("requestBody", {}).get("content", {})
    modes = [GenerationMode.POSITIVE]
    if raw.get("parameters") or "application/json" in content:
        modes.append(GenerationMode.NEGATIVE)
    parts: dict[str, st.SearchStrategy[Any]] = {
        "case": st.one_of([operation.as_strategy(mode) for mode in modes]),
        "who": st.sampled_from(who),
        "browser": st.booleans(),
        "junk": st.just({})
        | st.dictionaries(st.sampled_from(_HEADERS), _HEADER_VALUES, max_size=2),
        # What is there is asked for twice as often as what may be.
        "path": st.sampled_from([True, True, False]).flatmap(
            lambda real: st.fixed_dictionaries(
                {name: st.sampled_from(known[name]) for name in named if real and name in known}
            )
        ),
        "proofs": st.just(set(raw["x-proofs"])),
        "query": _pairs(_QUERY, around) if raw["tags"] != ["ml_api"] else st.just({}),
    }
    if "application/x-www-form-urlencoded" in content:
        parts["form"] = _pairs(_FORM, around)
    elif "application/json" in content:
        parts["body"] = st.none() | _body(content["application/json"]["example"], around)
    return st.fixed_dictionaries(parts)


def _pairs(names: Sequence[str], around: Surroundings) -> st.SearchStrategy[dict[str, str]]:
    meant = (*_MEANT, str(around.project_id), around.worked.project.policy_hash)
    values = st.sampled_from(meant) | WHOLE_TEXTS
    return st.dictionaries(st.sampled_from(names), values, max_size=4)


def _body(example: Any, around: Surroundings) -> st.SearchStrategy[bytes]:
    """The document's example about the worked project, with changes; or JSON that is broken."""
    told = dict(example)
    if isinstance(told.get("project"), dict):
        told["project"] = {"id": around.project_id}
    elif "project" in told:
        told["project"] = around.project_id
    if "tasks" in told:
        told["label_config"] = around.worked.project.label_config
    documents = mutated([told]).map(lambda value: json.dumps(value).encode())
    text = json.dumps(told)
    tokens = ("{", "}", "[", '"', "\\ud83d", "NaN", "1e999", ",", "\\u0000", "9" * 400, "[" * 9000)
    broken = mutated_text([text], tokens).map(lambda text: text.encode(errors="surrogatepass"))
    return documents | documents | broken


def _asks(around: Surroundings) -> Callable[[dict[str, Any]], str]:
    client = around.app.test_client(use_cookies=False)

    def ask(sent: dict[str, Any]) -> str:
        case: Case[Any] = sent["case"]
        around.worked.clock.forward(1)  # limits by time are not what is looked for here
        headers = {"Cookie": "labelgate-form=abc", **sent["junk"]}
        headers |= around.headers(sent["who"], sent["proofs"])
        if sent["browser"]:
            headers |= HTML
        case.path_parameters = {**(case.path_parameters or {}), **sent["path"]}
        asked = case.as_transport_kwargs(headers=headers)
        if sent["query"]:
            asked["query_string"] = sent["query"]
        if "form" in sent:
            asked.pop("json", None)
            asked["data"] = sent["form"]
        elif sent.get("body") is not None:
            asked.pop("json", None)
            asked["data"] = sent["body"]
        elif "json" in asked:  # what the app's own JSON does not write comes too
            asked["data"] = json.dumps(asked.pop("json"))
        around.failures.clear()
        response = client.open(**asked)
        response.get_data()
        _check(around, case, response, sent)
        if response.status_code == 401:
            around.renewed(sent["who"])
        response.close()
        return str(response.status_code)

    return ask


def _check(
    around: Surroundings, case: Case[Any], response: TestResponse, sent: dict[str, Any]
) -> None:
    # This Label Studio is none: what a draft would set up there says so, and nothing is applied.
    unset = response.status_code == 503 and case.operation.path.endswith("/policy/draft")
    assert response.status_code < 500 or unset, (*around.failures, response.text[:500])
    program = case.operation.definition.raw["tags"][0].endswith(("_api", "openapi", "webhook"))
    if "Host" in sent["junk"]:  # the checks build an address of it
        return
    if program and not sent["browser"] and response.status_code < 500:
        checks = [content_type_conformance, response_schema_conformance]
        case.validate_response(response, checks=checks)
