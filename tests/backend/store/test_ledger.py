"""The chain of decisions: it holds, and names the first entry that somebody tampered with."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import StatementError

from backend.store.decisions import current_decisions, undecided_task_ids
from backend.store.ledger import (
    GENESIS,
    Grounds,
    append_decisions,
    entry_hash,
    newest_seq,
)
from backend.store.ledger_check import verify_end, verify_ledger
from backend.store.open_decisions import open_decisions
from backend.store.tables import DecisionRow
from policies.domain import Decision, Outcome, Purpose
from tests.fakes.databases import NOW, PROJECT_ID, Database, after

GROUNDS = Grounds(model_version="v1", policy_hash="policy-1", certificate_id=None)


def decision(task_id: int, **changes: object) -> Decision:
    values: dict[str, object] = {
        "task_id": task_id,
        "outcome": Outcome.REVIEW,
        "purpose": Purpose.ROUTED,
        "tier": "general",
        "rule": "below_threshold",
        "reason": "score 0.300 is below 0.700",
        "label": "A",
        "score": 0.1 + 0.2,
        "threshold": None,
        "draw": 1 / 3,
        "inclusion_probability": 1.0,
    }
    return Decision(**(values | changes))  # type: ignore[arg-type]  # checked by the test


def append(database: Database, *decisions: Decision, grounds: Grounds = GROUNDS) -> int:
    with database.sessions.begin() as session:
        return append_decisions(session, PROJECT_ID, decisions, grounds, NOW)


@pytest.fixture
def ledger(database: Database) -> Database:
    """Ten tasks, a decision each, in two batches."""
    database.add_tasks(*range(1, 11))
    append(database, *(decision(task_id) for task_id in range(1, 8)))
    append(database, *(decision(task_id) for task_id in range(8, 11)))
    return database


def broken_seq(database: Database) -> int | None:
    with database.reads() as session:
        check = verify_ledger(session, PROJECT_ID)
    assert (check.why is None) == (check.broken_seq is None)
    if check.broken_seq is not None:
        assert check.entries == check.broken_seq - 1
    return check.broken_seq


def test_an_empty_and_a_whole_chain_hold(database: Database) -> None:
    with database.reads() as session:
        check = verify_ledger(session, PROJECT_ID)
        assert (check.entries, check.head, check.broken_seq) == (0, GENESIS, None)
    database.add_tasks(1)
    assert append(database, decision(1)) == 1
    assert append(database, decision(1)) == 2
    assert append(database) == 3  # nothing appended
    with database.reads() as session:
        check = verify_ledger(session, PROJECT_ID)
        assert (check.entries, check.broken_seq) == (2, None)
        assert check.head == session.scalar(select(DecisionRow.hash).where(DecisionRow.seq == 2))
        assert newest_seq(session, PROJECT_ID) == 2


CHANGES = {
    "task_id": 99,
    "outcome": "accept",
    "purpose": "control",
    "tier": None,
    "rule": "auto_accept",
    "reason": "",
    "label": "B",
    "score": 0.3,
    "threshold": 0.5,
    "draw": 0.0,
    "inclusion_probability": 0.5,
    "predictor": "exact_duplicate",
    "signals": {"margin": 0.5},
    "part_scores": [0.5],
    "model_version": "v2",
    "policy_hash": "policy-2",
    "certificate_id": 1,
    "decided_at": NOW + timedelta(microseconds=1),
    "hash": "f" * 64,
    "erasure_hash": "f" * 64,
}


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_a_changed_field_is_named(ledger: Database, field: str) -> None:
    with ledger.sessions.begin() as session:
        session.execute(
            update(DecisionRow).where(DecisionRow.seq == 4).values({field: CHANGES[field]})
        )
    assert broken_seq(ledger) == 4


def test_every_column_of_the_ledger_is_covered() -> None:
    assert set(CHANGES) | {"project_id", "seq"} == set(DecisionRow.__table__.columns.keys())


def test_a_removed_entry_and_a_removed_tail_are_named(ledger: Database) -> None:
    with ledger.sessions.begin() as session:
        session.execute(delete(DecisionRow).where(DecisionRow.seq >= 9))
    assert broken_seq(ledger) == 9
    with ledger.sessions.begin() as session:
        session.execute(delete(DecisionRow).where(DecisionRow.seq == 5))
    assert broken_seq(ledger) == 5
    with ledger.sessions.begin() as session:
        session.execute(delete(DecisionRow))
    assert broken_seq(ledger) == 1


def test_a_removed_entry_whose_followers_moved_up_is_named(ledger: Database) -> None:
    with ledger.sessions.begin() as session:
        session.execute(delete(DecisionRow).where(DecisionRow.seq == 5))
        for seq in range(6, 11):
            session.execute(update(DecisionRow).where(DecisionRow.seq == seq).values(seq=seq - 1))
    assert broken_seq(ledger) == 5


def test_a_swapped_pair_is_named(ledger: Database) -> None:
    with ledger.sessions.begin() as session:
        for old, new in ((4, 400), (5, 4), (400, 5)):
            session.execute(update(DecisionRow).where(DecisionRow.seq == old).values(seq=new))
    assert broken_seq(ledger) == 4


@pytest.mark.parametrize("place", [0, 6, 11])
def test_an_inserted_entry_is_named(ledger: Database, place: int) -> None:
    columns = DecisionRow.__table__.columns
    with ledger.sessions.begin() as session:
        row = dict(session.execute(select(*columns).where(columns.seq == 3)).mappings().one())
        for seq in range(10, place - 1, -1):
            session.execute(update(DecisionRow).where(DecisionRow.seq == seq).values(seq=seq + 1))
        session.execute(insert(DecisionRow).values({**row, "seq": place}))
    assert broken_seq(ledger) == max(place, 1)


def test_an_entry_whose_own_hash_was_made_anew_breaks_the_next_one(ledger: Database) -> None:
    columns = DecisionRow.__table__.columns
    with ledger.sessions.begin() as session:
        before = session.scalar(select(DecisionRow.hash).where(DecisionRow.seq == 3))
        assert before is not None
        row = dict(session.execute(select(*columns).where(columns.seq == 4)).mappings().one())
        row["label"] = "B"
        session.execute(
            update(DecisionRow)
            .where(DecisionRow.seq == 4)
            .values(label="B", hash=entry_hash(row, before))
        )
    assert broken_seq(ledger) == 5


def test_projects_have_chains_of_their_own(ledger: Database) -> None:
    ledger.add_project(2)
    ledger.add_tasks(1, project_id=2)
    with ledger.sessions.begin() as session:
        assert append_decisions(session, 2, [decision(1)], GROUNDS, NOW) == 1
        session.execute(update(DecisionRow).where(DecisionRow.project_id == 1).values(label="X"))
    with ledger.reads() as session:
        assert verify_ledger(session, 2).broken_seq is None
        assert verify_ledger(session, 1).broken_seq == 1


def test_writers_at_the_same_time_lose_nothing(database: Database) -> None:
    writers, batches = 4, 10
    database.add_tasks(*range(writers * batches))
    start = threading.Barrier(writers)

    def write(writer: int) -> None:
        start.wait()
        for batch in range(batches):
            append(database, decision(writer * batches + batch), decision(writer * batches))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reads() as session:
        check = verify_ledger(session, PROJECT_ID)
        assert (check.entries, check.broken_seq) == (2 * writers * batches, None)


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_numbers = st.floats(0, 1)  # scores, thresholds and draws alike


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    label=st.none() | _texts,
    tier=st.none() | _texts,
    reason=_texts,
    score=st.none() | _numbers,
    threshold=st.none() | _numbers,
    draw=_numbers,
    when=st.datetimes(
        timezones=st.sampled_from([timezone(timedelta(hours=n)) for n in (-9, 0, 5)])
    ),
    outcome=st.sampled_from(Outcome),
    purpose=st.sampled_from(Purpose),
)
def test_what_is_appended_comes_back_to_the_bit_and_verifies(
    database: Database, when: object, **values: object
) -> None:
    database.add_tasks(1)
    given_decision = decision(1, **values)
    with database.sessions.begin() as session:
        append_decisions(session, PROJECT_ID, [given_decision], GROUNDS, when)  # type: ignore[arg-type]  # a datetime
    with database.reads() as session:
        (entry,) = current_decisions(session, PROJECT_ID)
    assert entry.decision == given_decision
    assert (entry.grounds, entry.decided_at) == (GROUNDS, when)
    assert broken_seq(database) is None


def test_answers_of_no_list_are_decided_again_once_after_the_config_changed(
    ledger: Database,
) -> None:
    def undecided(config_seq: int) -> list[int]:
        with ledger.reads() as session:
            return undecided_task_ids(session, PROJECT_ID, GROUNDS, (None, config_seq))

    assert undecided(0) == []
    assert undecided(4) == [1, 2, 3, 4]
    with ledger.sessions.begin() as session:
        append_decisions(session, PROJECT_ID, [decision(2)], GROUNDS, NOW)
    assert undecided(4) == [1, 3, 4]


def test_scores_of_parts_are_kept_and_hashed_where_there_are_any(ledger: Database) -> None:
    plain = decision(11)
    scored = replace(decision(12), label='["A","B"]', part_scores=(0.9, 0.4))
    ledger.add_tasks(11, 12)
    without = {key: value for key, value in plain.as_json().items() if key != "part_scores"}
    assert entry_hash(plain.as_json(), GENESIS) == entry_hash(without, GENESIS)
    with ledger.sessions.begin() as session:
        append_decisions(session, PROJECT_ID, [plain, scored], GROUNDS, NOW)
    with ledger.reads() as session:
        entries = {each.decision.task_id: each for each in current_decisions(session, PROJECT_ID)}
    assert entries[12].decision == scored
    assert broken_seq(ledger) is None
    with ledger.sessions.begin() as session:
        session.execute(
            update(DecisionRow)
            .where(DecisionRow.seq == entries[12].seq)
            .values(part_scores=[0.9, 0.5])
        )
    assert broken_seq(ledger) == entries[12].seq


def test_open_tasks_are_decided_again_only_where_the_grounds_changed(ledger: Database) -> None:
    def undecided(grounds: Grounds, labels: tuple[str, ...] = ("A", "B")) -> list[int]:
        with ledger.reads() as session:
            return undecided_task_ids(session, PROJECT_ID, grounds, (labels, 0))

    everything = list(range(1, 11))
    assert undecided(GROUNDS) == []
    assert undecided(GROUNDS, ("B", "C")) == everything  # their label is gone
    for changed in (
        Grounds(model_version="v2", policy_hash="policy-1", certificate_id=None),
        Grounds(model_version=None, policy_hash="policy-1", certificate_id=None),
        Grounds(model_version="v1", policy_hash="policy-2", certificate_id=None),
        Grounds(model_version="v1", policy_hash="policy-1", certificate_id=3),
    ):
        assert undecided(changed) == everything
    ledger.add_tasks(11)
    assert undecided(GROUNDS) == [11]
    append(ledger, decision(11), decision(2, tier="senior"))
    with ledger.reads() as session:
        assert [each.task_id for each in open_decisions(session, PROJECT_ID)] == [*everything, 11]
        tiers = {each.task_id: each.tier for each in open_decisions(session, PROJECT_ID)}
    assert (tiers[2], tiers[3]) == ("senior", "general")


def test_a_decision_cannot_be_made_at_a_time_without_a_zone(ledger: Database) -> None:
    naive = update(DecisionRow).values(decided_at=after(0).replace(tzinfo=None))
    with ledger.sessions() as session, pytest.raises(StatementError, match="without a zone"):
        session.execute(naive)


def test_the_end_alone_is_verified_from_the_hash_before_it(ledger: Database) -> None:
    with ledger.reads() as session:
        whole = verify_ledger(session, PROJECT_ID)
        assert verify_end(session, PROJECT_ID, 4) == whole
        assert verify_end(session, PROJECT_ID, 1_000) == whole


@pytest.mark.parametrize(("changed", "seen"), [(2, None), (8, 8)])
def test_the_end_tells_what_was_changed_in_it_and_not_before(
    ledger: Database, changed: int, seen: int | None
) -> None:
    with ledger.sessions.begin() as session:
        session.execute(update(DecisionRow).where(DecisionRow.seq == changed).values(label="B"))
    with ledger.reads() as session:
        assert verify_end(session, PROJECT_ID, 4).broken_seq == seen


def test_an_end_whose_beginning_is_gone_is_broken(ledger: Database) -> None:
    with ledger.sessions.begin() as session:
        session.execute(delete(DecisionRow).where(DecisionRow.seq == 6))
    with ledger.reads() as session:
        check = verify_end(session, PROJECT_ID, 4)
    assert (check.broken_seq, check.why) == (6, "entry 6 is missing")
