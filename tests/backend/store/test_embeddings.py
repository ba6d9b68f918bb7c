"""Vectors in the store: by encoder and text, over more rows than one statement takes."""

from __future__ import annotations

from backend.store.embeddings import (
    forget_embeddings,
    mark_embeddings_used,
    read_embeddings,
    store_embeddings,
    unmarked_embeddings,
)
from tests.fakes.databases import Database, after


def hashes(count: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in range(count)]


def test_each_encoder_has_its_own(database: Database) -> None:
    with database.sessions.begin() as session:
        store_embeddings(session, "one", {b"a": b"1", b"b": b"2"}, after(0))
        store_embeddings(session, "two", {b"a": b"3"}, after(0))
        store_embeddings(session, "two", {}, after(0))
        store_embeddings(session, "one", {b"b": b"4"}, after(0))
    with database.reads() as session:
        assert read_embeddings(session, "one", [b"a", b"b", b"c"]) == {b"a": b"1", b"b": b"4"}
        assert read_embeddings(session, "two", [b"a", b"b"]) == {b"a": b"3"}
        assert read_embeddings(session, "two", []) == {}


def test_more_than_one_statement_takes(database: Database) -> None:
    many = hashes(12_000)
    with database.sessions.begin() as session:
        store_embeddings(session, "one", dict.fromkeys(many, b"v"), after(0))
    with database.reads() as session:
        assert len(read_embeddings(session, "one", many)) == len(many)
        assert unmarked_embeddings(session, "one", many, after(0)) == []
        assert sorted(unmarked_embeddings(session, "one", many, after(1))) == many
    with database.sessions.begin() as session:
        mark_embeddings_used(session, "one", many[:7_000], after(60))
        assert unmarked_embeddings(session, "one", many, after(60)) == many[7_000:]
    deleted: list[int] = []
    while not deleted or deleted[-1]:
        with database.sessions.begin() as session:
            deleted.append(forget_embeddings(session, after(60)))
    assert sum(deleted) == 5_000
    with database.reads() as session:
        assert set(read_embeddings(session, "one", many)) == set(many[:7_000])


def test_forgetting_keeps_the_same_text_of_another_encoder(database: Database) -> None:
    with database.sessions.begin() as session:
        store_embeddings(session, "old", {b"a": b"1"}, after(0))
        store_embeddings(session, "new", {b"a": b"2"}, after(60))
        assert forget_embeddings(session, after(30)) == 1
        assert forget_embeddings(session, after(30)) == 0
        assert read_embeddings(session, "old", [b"a"]) == {}
        assert read_embeddings(session, "new", [b"a"]) == {b"a": b"2"}
