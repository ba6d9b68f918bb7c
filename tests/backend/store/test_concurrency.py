"""Several processes at once: one chain a project, one holder a lease, no wish lost."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.store.job_tables import LeaseRow
from backend.store.leases import take_lease
from backend.store.ledger_check import verify_ledger
from backend.store.tables import DecisionRow, TaskRow
from tests.fakes.databases import NOW, PROJECT_ID, Database

ROOT = Path(__file__).parents[3]
# Each process appends batches of its own size to the same chain, as fast as it can.
APPENDING = """
import sys
from dataclasses import replace
from backend.store.engine import make_engine, make_sessions
from backend.store.ledger import Grounds, append_decisions
from tests.fakes.databases import NOW
from tests.fakes.decisions import ACCEPTED

url, number, batches = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sessions, _ = make_sessions(make_engine(url))
grounds = Grounds(model_version=f"v{number}", policy_hash="policy-1", certificate_id=None)
sys.stdin.readline()
for batch in range(batches):
    rows = [replace(ACCEPTED, task_id=each) for each in range(1, number + 2)]
    with sessions.begin() as session:
        append_decisions(session, 1, rows, grounds, NOW)
"""
# Each process takes the lease for a moment of its own and counts only while it holds it.
LEASING = """
import json, sys, time
from datetime import UTC, datetime
from backend.store.engine import make_engine, make_sessions
from backend.store.leases import free_lease, take_lease

url, number, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sessions, _ = make_sessions(make_engine(url))
held = []
sys.stdin.readline()
while len(held) < rounds:
    with sessions.begin() as session:
        taken = take_lease(session, "work", f"holder {number}", datetime.now(UTC), 30)
    if taken:
        began = time.monotonic()
        time.sleep(0.002)
        held.append((began, time.monotonic()))
        with sessions.begin() as session:
            free_lease(session, "work", f"holder {number}")
    time.sleep(0.001)
print(json.dumps(held))
"""


def at_once(database: Database, program: str, processes: int, times: int) -> list[str]:
    """What each of the processes printed; they start together."""
    url = database.engine.url.render_as_string(hide_password=False)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, url, str(number), str(times)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for number in range(processes)
    ]
    for each in started:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    told = [each.communicate(timeout=240) for each in started]
    assert [each.returncode for each in started] == [0] * processes, told
    return [out for out, _ in told]


@pytest.mark.parametrize("batches", [15, pytest.param(200, marks=pytest.mark.long)])
def test_processes_that_append_at_once_make_one_whole_chain(
    database: Database, batches: int
) -> None:
    database.add_tasks(1, 2, 3, 4)
    at_once(database, APPENDING, 4, batches)
    with database.reads() as session:
        check = verify_ledger(session, PROJECT_ID)
        assert (check.entries, check.broken_seq) == (batches * (1 + 2 + 3 + 4), None)
        by_version = session.execute(
            select(DecisionRow.model_version, func.count()).group_by(DecisionRow.model_version)
        )
        assert dict(by_version.all()) == {f"v{n}": batches * (n + 1) for n in range(4)}
        newest = session.execute(
            select(DecisionRow.task_id, func.max(DecisionRow.seq)).group_by(DecisionRow.task_id)
        )
        current = session.execute(select(TaskRow.task_id, TaskRow.decision_seq))
        assert sorted(current) == sorted(newest)


@pytest.mark.parametrize("rounds", [10, pytest.param(150, marks=pytest.mark.long)])
def test_of_processes_that_want_a_lease_one_holds_it_at_a_time(
    database: Database, rounds: int
) -> None:
    told = at_once(database, LEASING, 3, rounds)
    spans = sorted(tuple(span) for each in told for span in json.loads(each))
    assert len(spans) == 3 * rounds
    overlaps = [(a, b) for a, b in itertools.pairwise(spans) if b[0] < a[1]]
    assert overlaps == []


def test_a_lease_of_a_dead_holder_goes_to_one_of_those_who_want_it(database: Database) -> None:
    with database.sessions.begin() as session:
        assert take_lease(session, "work", "dead", NOW, 10)
    later = NOW + timedelta(seconds=11)
    got = []
    for number in range(3):
        with database.sessions.begin() as session:
            got.append(take_lease(session, "work", f"holder {number}", later, 10))
    assert got == [True, False, False]
    with database.reads() as session:
        assert session.get_one(LeaseRow, "work").holder == "holder 0"
