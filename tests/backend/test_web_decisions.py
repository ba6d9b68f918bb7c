"""The decision explorer: states of the search, one decision explained, files, hostile text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, text, update

from backend.app import create_app
from backend.store.ledger import Grounds, append_decisions
from backend.store.tables import DecisionRow, DeliveryRow, PolicyRow
from backend.store.tasks import StoredTask, store_tasks
from backend.web import downloads, searches
from backend.web.access import Role
from policies.domain import Decision, Purpose
from tests.fakes.accepting_project import ACCEPT, accepting_project, accepts, answer
from tests.fakes.decisions import ACCEPTED
from tests.fakes.web_project import WebProject, web_project
from tests.fakes.worked_project import WorkedProject, worked_policy

DECISIONS = "/projects/1/decisions"
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    made = web_project(tmp_path)
    made.connect()
    return made


@pytest.fixture
def client(project: WebProject) -> FlaskClient:
    return project.client()


def decide(project: WebProject, decisions: Sequence[Decision], data: dict[str, object]) -> None:
    with project.runtime.reads() as session:
        digest = session.scalars(text("SELECT policy_hash FROM projects")).one()
    grounds = Grounds(model_version="v1", policy_hash=digest, certificate_id=None)
    with project.runtime.sessions.begin() as session:
        tasks = [StoredTask(id=each.task_id, data=data) for each in decisions]
        store_tasks(session, 1, tasks, project.clock())
        append_decisions(session, 1, decisions, grounds, project.clock())


def page_of(client: FlaskClient, path: str = DECISIONS) -> str:
    response = client.get(path)
    assert response.status_code == 200, response.text
    return " ".join(response.text.split())


def test_every_view_says_who_may_see_it(project: WebProject) -> None:
    views = create_app(project.runtime).view_functions
    for endpoint in ("page", "one", "csv_file", "json_file"):
        assert views[f"decisions.{endpoint}"].__dict__["need"].role is Role.VIEWER


def test_an_empty_ledger_says_what_to_do(client: FlaskClient) -> None:
    page = page_of(client)
    assert "Nothing matches" in page
    assert "<code>labelgate scheduler</code>" in page
    assert "CSV" not in page


def test_an_unknown_project_and_decision_are_404(client: FlaskClient) -> None:
    assert client.get("/projects/9/decisions").status_code == 404
    response = client.get(f"{DECISIONS}/3")
    assert response.status_code == 404
    assert "searches those that it has" in response.text


def test_pages_are_turned_by_their_links(project: WebProject, client: FlaskClient) -> None:
    decide(project, [replace(ACCEPTED, task_id=each) for each in range(1, 121)], {})
    seen: list[int] = []
    path, pages = DECISIONS, []
    while path:
        page = page_of(client, path)
        pages.append(page)
        seen += [int(each) for each in re.findall(r'/decisions/(\d+)">', page)]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert seen == list(range(120, 0, -1))
    assert "First 50, more follow" in pages[0]
    assert "50 more, and others follow" in pages[1]
    assert "20 more<" in pages[2]
    back = re.search(r'rel="prev" href="([^"]+)"', pages[2])
    assert back is not None
    assert "/decisions/70" in page_of(client, back[1].replace("&amp;", "&"))


def test_by_score_the_scope_of_the_first_page_is_kept(
    project: WebProject, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.store.decision_search._FIRST_WINDOW", 60)
    monkeypatch.setattr("backend.web.pages.decisions.BUDGET_S", 0.0)
    decide(project, [replace(ACCEPTED, task_id=t, score=t / 200) for t in range(1, 121)], {})
    page = page_of(client, f"{DECISIONS}?sort=score")
    assert "Searched back to decision 61 of" in page
    assert "these are the highest scores down to there" in page
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following is not None
    assert "from_seq=61" in following[1]
    second = page_of(client, following[1].replace("&amp;", "&"))
    assert re.findall(r'/decisions/(\d+)">', second) == [str(each) for each in range(70, 60, -1)]
    assert "Searched back" not in second
    onward = re.search(r'href="([^"]+to_seq=60[^"]*)"', page)
    assert onward is not None
    assert "/decisions/60" in page_of(client, onward[1].replace("&amp;", "&"))


def test_empty_fields_leave_the_address(client: FlaskClient) -> None:
    response = client.get(f"{DECISIONS}?task=&label=A&rule=++")
    assert (response.status_code, response.headers["Location"]) == (302, f"{DECISIONS}?label=A")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("task=abc", "must be a whole number, not &#39;abc&#39;: it is left out"),
        ("task=99999999999999999999", "is larger than any number here"),
        ("task=²", "must be a whole number"),
        ("outcome=perhaps", "must be one of accept, review, not &#39;perhaps&#39;"),
        ("purpose=fun", "must be one of routed, control, holdout"),
        ("history=none", "must be one of now, all"),
        ("sort=age", "must be one of newest, score"),
        ("differs=1", "must be one of yes"),
        ("score_from=high", "must be a number such as 0.85"),
        ("score_to=nan", "must be a number such as 0.85"),
        ("score_from=0.9&score_to=0.1", "is below 0.9, where the range begins"),
        ("since=yesterday", "must be a day or a time such as 2026-03-01"),
        ("until=9999-12-31", "is a time that no clock shows"),
        ("since=2026-02-02&until=2026-02-01T00:00", "is before the time from which on"),
        ("policy=ab", "give at least 6 characters"),
        ("policy=abcdef", "no policy that was in force has a hash of"),
        ("label=%00", "holds a character that nothing is named with"),
        ("after=x", "the first one is shown"),
        ("sort=score&before=1", "the first one is shown"),
    ],
)
def test_a_bad_value_is_explained_and_the_rest_works(
    project: WebProject, client: FlaskClient, query: str, says: str
) -> None:
    decide(project, [ACCEPTED, replace(ACCEPTED, task_id=2, label="B")], {})
    page = page_of(client, f"{DECISIONS}?rule=auto_accept&{query}")
    assert says in page
    assert "/decisions/1" in page
    assert client.get(f"{DECISIONS}.csv?{query}").status_code == 422


def test_filters_stand_in_the_form_again(project: WebProject, client: FlaskClient) -> None:
    decide(project, [ACCEPTED], {})
    page = page_of(client, f"{DECISIONS}?label=A&outcome=accept&score_from=0.5&history=all")
    assert 'name="label" type="text" value="A"' in page
    assert '<option value="accept" selected>' in page
    assert "<details open>" in page
    assert "1 decision<" in page
    nothing = page_of(client, f"{DECISIONS}?label=B")
    assert "among those that hold now" in nothing
    assert "label=B&amp;history=all" in nothing


def test_hostile_text_is_only_text(project: WebProject, client: FlaskClient) -> None:
    data: dict[str, object] = {
        HOSTILE: HOSTILE,
        "link": "https://example.org/?a=1&b=2",
        "script": "javascript:alert(1)",
        "file": "data:text/html,<b>x</b>",
        "long": "word " * 300,
        "nested": {"list": [1, None, HOSTILE]},
    }
    hostile = replace(ACCEPTED, label=HOSTILE, reason=HOSTILE, tier=HOSTILE, rule=HOSTILE)
    decide(project, [hostile], data)
    for path in (DECISIONS, f"{DECISIONS}?label={HOSTILE}&rule={HOSTILE}", f"{DECISIONS}/1"):
        page = page_of(client, path)
        assert "<script" not in page
        assert "&lt;script&gt;" in page
    page = page_of(client, f"{DECISIONS}/1")
    assert '<a href="https://example.org/?a=1&amp;b=2" rel="noreferrer noopener nofollow"' in page
    assert 'href="javascript' not in page
    assert 'href="data' not in page
    assert "<details><summary>word word" in page
    assert page.count("<img") == 1, "the mark in the header"


def test_csv_neutralises_formulas_and_leaves_numbers(
    project: WebProject, client: FlaskClient
) -> None:
    starts = ("=1+1", "+1+1", "-1+1", "@x", "\tx", "\rx", "plain")
    made = [
        replace(ACCEPTED, task_id=number, label=label, score=-0.5 if number == 1 else 0.5)
        for number, label in enumerate(starts, 1)
    ]
    decide(project, made, {})
    response = client.get(f"{DECISIONS}.csv")
    assert response.headers["Content-Disposition"] == 'attachment; filename="decisions-1.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert [row["label"] for row in reversed(rows)] == [
        *(f"'{each}" for each in starts[:-1]),
        "plain",
    ]
    assert [row["score"] for row in reversed(rows)][:2] == ["-0.5", "0.5"]
    assert rows[0]["task"] == "7"


def test_a_file_that_is_full_says_so(
    project: WebProject, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MOST_ROWS", 5)
    monkeypatch.setattr(downloads, "_ROWS_PER_READ", 2)
    decide(project, [replace(ACCEPTED, task_id=each) for each in range(1, 6)], {})
    whole = client.get(f"{DECISIONS}.json").get_json()
    assert [each["seq"] for each in whole["decisions"]] == [5, 4, 3, 2, 1]
    assert whole["note"] is None
    decide(project, [replace(ACCEPTED, task_id=9)], {})
    cut = client.get(f"{DECISIONS}.json?sort=score").get_json()
    assert [each["seq"] for each in cut["decisions"]] == [6, 5, 4, 3, 2]
    assert "Narrow the search" in cut["note"]
    lines = client.get(f"{DECISIONS}.csv").text.splitlines()
    assert len(lines) == 7
    assert "Narrow the search" in lines[-1]


def test_a_file_of_a_search_that_is_wrong_is_refused(client: FlaskClient) -> None:
    response = client.get(f"{DECISIONS}.csv?task=abc&since=x")
    assert response.status_code == 422
    assert "task: must be a whole number" in response.text
    assert "since: must be a day" in response.text


def test_links_leave_out_what_could_not_be_read() -> None:
    found = searches.read_search({"task": "x", "label": "A", "after": "7", "color": "red"}, [])
    assert found.link(history="all", rule=None) == {"label": "A", "history": "all"}
    assert found.asked.after is not None


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    made = accepting_project(tmp_path)
    assert accepts(made)
    return made


def seq_of(worked: WorkedProject, task_id: int) -> int:
    return worked.decisions()[task_id].seq


def explained(worked: WorkedProject, seq: int) -> str:
    client = create_app(worked.runtime).test_client()
    return page_of(client, f"/projects/{worked.project_id}/decisions/{seq}")


def test_an_accept_is_explained_from_rule_to_hash(worked: WorkedProject) -> None:
    task_id = min(accepts(worked))
    page = explained(worked, seq_of(worked, task_id))
    for part in (
        "Accepted without a person as “",
        "Because score 0.9",
        "It holds now.",
        "entry verified now",
        "<mark>auto_accept:</mark>",
        "<mark> max_error_rate: 0.2</mark>",
        "Promised: at most 20.0% of what is accepted is wrong, with 80.0% certainty",
        "Proved threshold",
        "It holds now.</p>",
        "of an audit, and was not drawn. Staying here had a chance of",
        f"/projects/1/data?task={task_id}",
        "Yes. The same answer, held against the policy in force",
        "The policy is the same as then",
        "Nobody has answered this task yet, and it was not drawn for an audit",
        "Delivered 2026-03-01",
        "as the robot's annotation",
        'href="/projects/1/models/v1"',
        "is the one that was written",
        "<dt>text</dt>",
    ):
        assert part in page, part


def test_what_people_said_stands_beside_the_label(worked: WorkedProject) -> None:
    audits = worked.with_purpose(Purpose.AUDIT)
    seqs = [seq_of(worked, each) for each in audits[:2]]
    answer(worked, audits[:1])
    answer(worked, audits[1:2], wrong=True)
    worked.settle()
    page = explained(worked, seqs[0])
    assert "but was drawn for an audit: senior answers it" in page
    assert "<td>agrees</td>" in page
    assert '<span class="otherwise">differs</span>' in explained(worked, seqs[1])


def test_another_policy_is_told_line_by_line_and_tried_out(worked: WorkedProject) -> None:
    task_id = min(accepts(worked))
    seq = seq_of(worked, task_id)
    routes = [{"kind": "score", "above": 0.1, "tier": "senior"}]
    policy = worked_policy(auto_accept=ACCEPT, control={"share": 0.3}, routes=routes)
    worked.connect(policy)
    page = explained(worked, seq)
    assert "<strong>No.</strong> The same answer would be decided otherwise" in page
    assert "<td>accept</td><td>review</td>" in page
    assert '<li class="removed"><del><code>-routes: []</code></del></li>' in page
    assert '<li class="added"><ins><code>+ tier: senior</code></ins></li>' in page
    worked.settle()
    replaced = explained(worked, seq)
    assert "It was replaced since by <a" in replaced
    assert f"decision {seq:,}, this one" in replaced


def test_what_cannot_be_decided_anew_says_why(worked: WorkedProject) -> None:
    seq = seq_of(worked, min(accepts(worked)))
    novel = worked_policy(
        auto_accept=ACCEPT,
        control={"share": 0.3},
        routes=[{"kind": "novelty", "above": 0.9, "tier": "senior"}],
    )
    worked.connect(novel)
    assert "looks at novelty, which was not recorded with this decision" in explained(worked, seq)
    worked.promote(certified=False)
    page = explained(worked, seq)
    assert "That cannot be said: v2 serves now" in page
    with worked.runtime.sessions.begin() as session:
        session.execute(text("DELETE FROM tasks WHERE decision_seq = :seq"), {"seq": seq})
    page = explained(worked, seq)
    assert "The task is not known here any more" in page
    assert "No data of this task is kept here" in page


def test_a_failed_delivery_is_told_with_its_error(worked: WorkedProject) -> None:
    seq = seq_of(worked, min(accepts(worked)))
    with worked.runtime.sessions.begin() as session:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.decision_seq == seq)
            .values(state="pending", error="<b>503</b>", attempts=3)
        )
    page = explained(worked, seq)
    assert "Not delivered yet" in page
    assert "3 tries failed, the last with: &lt;b&gt;503&lt;/b&gt;" in page


def test_an_entry_that_was_changed_is_not_verified(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        session.execute(update(DecisionRow).where(DecisionRow.seq == 5).values(label="C"))
    assert "the stored content does not give the stored hash" in explained(worked, 5)
    assert "but the next one does not build on it" in explained(worked, 4)
    assert "entry verified now" in explained(worked, 3)
    with worked.runtime.sessions.begin() as session:
        session.execute(delete(DecisionRow).where(DecisionRow.seq == 10))
    assert "the entry before it is missing" in explained(worked, 11)


def test_a_policy_whose_text_is_gone_is_told(worked: WorkedProject) -> None:
    seq = seq_of(worked, min(accepts(worked)))
    old = worked.project.policy_hash
    worked.connect(worked_policy(auto_accept=ACCEPT, control={"share": 0.4}))
    with worked.runtime.sessions.begin() as session:
        session.execute(text("DELETE FROM policies_in_force"))
        session.execute(delete(PolicyRow).where(PolicyRow.hash == old))
    assert "The text of that policy is not kept here" in explained(worked, seq)
