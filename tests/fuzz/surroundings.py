"""The whole web server in this process, with a worked project behind it, and those who ask it."""

from __future__ import annotations

import base64
import hashlib
import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, inspect, select, table
from sqlalchemy.orm import Session

from backend import accounts
from backend.app import create_app
from backend.store.accounts import ADMIN, VIEWER
from backend.store.ledger_check import verify_ledger
from backend.store.tables import DecisionRow
from policies.stages import Stage
from tests.fakes.accepting_project import accepting_project
from tests.fakes.inferences import token_of
from tests.fakes.shown_loops import ShownLoops
from tests.fakes.web_project import Clock, WebProject
from tests.fakes.worked_project import WorkedProject

USER, PASSWORD, SECRET = "gate", "a pässword", "the secret"
SHOWN = 101


class Who(StrEnum):
    """Whoever sends a request: with no proof at all, as one who may look, as one who may all."""

    NOBODY = "nobody"
    VIEWER = "viewer"
    ADMIN = "admin"


@dataclass(slots=True)
class Surroundings:
    """The app with its project; ``failures`` are the errors that it logged and told nobody."""

    app: Flask
    worked: WorkedProject
    tokens: dict[Who, str]
    inference_token: str
    failures: list[str]

    @property
    def project_id(self) -> int:
        """The worked project; ``SHOWN`` is another one, in another state."""
        return self.worked.project_id

    def headers(self, who: Who, proofs: set[str]) -> dict[str, str]:
        """What the visitor sends along to a route that takes these proofs."""
        if who is Who.NOBODY:
            return {}
        if "accountToken" in proofs:
            return {"Authorization": f"Bearer {self.tokens[who]}"}
        if who is Who.VIEWER:
            return {"Authorization": "Basic !!!"}
        if "inferenceToken" in proofs:
            return {"Authorization": f"Bearer {self.inference_token}"}
        password = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return {"Authorization": f"Basic {password}", "X-Labelgate-Secret": SECRET}

    def renewed(self, who: Who) -> None:
        """A new token: the visitor may have ended what the old one was good for."""
        if who is not Who.NOBODY:
            self.tokens[who] = accounts.new_token(self.worked.runtime, who, "", "the test")

    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        bind = self.worked.runtime.reads.kw["bind"]
        names = inspect(bind).get_table_names()
        with bind.connect() as connection:
            return {
                name: connection.scalar(select(func.count()).select_from(table(name))) or 0
                for name in names
            }

    def truth(self) -> str:
        """The whole ledger in one hash. Raises ``AssertionError`` where its chain is broken."""
        with self.worked.runtime.reads() as session:
            projects = session.scalars(select(DecisionRow.project_id).distinct()).all()
            for project_id in projects:
                check = verify_ledger(session, project_id)
                assert check.why is None, check
            return _hash_of(session)


def _hash_of(session: Session) -> str:
    columns = list(DecisionRow.__table__.columns)
    rows = session.execute(select(*columns).order_by(DecisionRow.project_id, DecisionRow.seq))
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(tuple(row)).encode())
    return f"{session.scalar(select(func.count()).select_from(DecisionRow))} {digest.hexdigest()}"


def surroundings(
    folder: Path, monkeypatch: pytest.MonkeyPatch, database_url: str = ""
) -> Surroundings:
    """A project with decisions, answers and a certified model, and another one beside it."""
    monkeypatch.setenv("LABELGATE_USERNAME", USER)
    monkeypatch.setenv("LABELGATE_PASSWORD", PASSWORD)
    if database_url:
        monkeypatch.setenv("LABELGATE_DATABASE_URL", database_url)
    worked = accepting_project(folder)
    worked.clock.forward(60)
    web = WebProject(runtime=worked.runtime, clock=Clock(worked.clock()))
    accounts.add(worked.runtime, Who.VIEWER, VIEWER, None, "the test")
    accounts.add(worked.runtime, Who.ADMIN, ADMIN, "nine green bottles", "the test")
    loops = ShownLoops(web)
    loops.add(SHOWN, "<b>Street</b> & signs")
    loops.count(SHOWN, Stage.SUSPENDED)
    loops.audits(SHOWN, audits=131, errors=17, bounds=(0.083, 0.187))
    loops.trip(SHOWN)
    loops.alert(SHOWN, "breaker", "the breaker of v7 tripped")
    for project_id, error in ((worked.project_id, None), (SHOWN, "ValueError: <x>"), (None, None)):
        loops.run(project_id, error=error)
    app = create_app(worked.runtime)
    made = Surroundings(
        app=app,
        worked=worked,
        tokens={},
        inference_token=token_of(web, worked.project_id),
        failures=_logged(),
    )
    made.renewed(Who.VIEWER)
    made.renewed(Who.ADMIN)
    return made


def _logged() -> list[str]:
    """A list that gets what the app logs of errors that it expected nowhere."""
    found: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(self.format(record)[-4000:])
            del found[:-3]

    logging.getLogger("backend.web.errors").addHandler(Kept(logging.ERROR))
    return found
