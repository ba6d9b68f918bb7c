"""Inferences as a deployed model's sender writes them, and a project that takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select

from backend.store.inference_tables import InferenceRow
from backend.store.inference_tokens import make_token
from tests.fakes.web_project import POLICY, PROJECT_ID, WebProject, web_project

AT = "2026-03-01T10:00:00Z"


def inference(number: int, **changed: object) -> dict[str, Any]:
    """A right one; ``changed`` fields are other ones, or left out where they are None."""
    sent = {
        "id": f"req-{number}",
        "data": {"text": f"text {number}"},
        "predicted": "AB"[number % 2],
        "score": 0.75,
        "model_version": "2026-02",
        "at": AT,
        **changed,
    }
    return {name: value for name, value in sent.items() if value is not None}


def monitored_project(folder: Path, monitoring: str = "", **settings: object) -> WebProject:
    """A connected project; ``monitoring`` is the section of its policy, in one line."""
    project = web_project(folder, **settings)
    project.connect(policy=f"{POLICY}monitoring: {{{monitoring}}}\n")
    return project


def token_of(project: WebProject, project_id: int = PROJECT_ID) -> str:
    """A new token of the project."""
    with project.runtime.sessions.begin() as session:
        return make_token(session, project_id, project.clock())


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def kept(project: WebProject) -> list[dict[str, Any]]:
    """What is stored, in the order in which it came."""
    columns = InferenceRow.__table__.columns
    with project.runtime.reads() as session:
        rows = session.execute(select(*columns).order_by(InferenceRow.id)).mappings()
        return [dict(row) for row in rows]
