"""SQL injection: what an address, a form or a body says is bound, and never part of a statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import event

from tests.fakes.web_project import PROJECT, web_project

INJECTED = [
    "x' OR '1'='1",
    "x'; DROP TABLE decisions; --",
    'x" OR "1"="1',
    "x') UNION SELECT password FROM accounts --",
    "%' --",
    "1; SELECT pg_sleep(9)",
]
MARK = "zq7"
ASKED = "/projects/1/decisions?label={0}&rule={0}&human={0}&model={0}&tier={0}&task={0}"
SENDERS = ("text", "exec_driver_sql")


@pytest.mark.parametrize("injected", INJECTED)
def test_no_statement_holds_what_was_asked(tmp_path: Path, injected: str) -> None:
    project = web_project(tmp_path)
    project.connect()
    client, said = project.client(), f"{injected}{MARK}"
    statements: list[str] = []
    for sessions in (project.runtime.sessions, project.runtime.reads):
        event.listen(
            sessions.kw["bind"],
            "before_cursor_execute",
            lambda *about: statements.append(str(about[2])),
        )
    for path in (ASKED, "/jobs?job={0}&outcome={0}", "/projects/1/models/{0}", "/share/{0}"):
        assert client.get(path.format(quote(said, safe=""))).status_code < 500
    tasks = [{"id": 1, "data": {"text": said}}]
    sent = client.post("/predict", json={"project": PROJECT, "tasks": tasks})
    assert sent.status_code == 200
    client.post("/v1/inferences", json={}, headers={"Authorization": f"Bearer {said}"})
    assert len(statements) > 5
    assert [each for each in statements if MARK in each] == []


def _put_together(root: Path) -> Iterator[str]:
    """Calls that send text as SQL, where the text is put together of parts."""
    for folder in ("backend", "audit_jobs"):
        for file in (root / folder).rglob("*.py"):
            if "migrations" in file.parts:  # no input is near
                continue
            source = file.read_text("utf-8")
            if not any(f"{each}(" in source for each in SENDERS):
                continue
            for node in ast.walk(ast.parse(source)):
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                sent = node.args[0]
                constant = isinstance(sent, ast.Constant) or (
                    isinstance(sent, ast.Name) and sent.id.isupper()
                )
                if name in SENDERS and not constant:
                    yield str(file.relative_to(root))


def test_statements_that_are_text_are_constants() -> None:
    root = Path(__file__).parents[2]
    # There SQLAlchemy has compiled it, from a table and its columns.
    assert list(_put_together(root)) == ["backend/store/bulk.py"]
