"""Models on the stage: one that serves without having been trained there, and its sabotage."""

from __future__ import annotations

from collections.abc import Sequence

from backend.predictors import artifacts
from backend.store.certificates import store_certification
from backend.store.model_tables import ModelRow
from backend.store.models import next_number, store_version
from tests.end_to_end.stage import Stage
from tests.fakes.policy_documents import make_certification
from tests.fakes.predictors import first_champion, predictor_of


def serve_model(stage: Stage, examples: Sequence[tuple[str, str]], version: str = "v1") -> None:
    """Let a model that was fitted on these texts and topics serve; nothing certifies it."""
    texts, topics = zip(*examples, strict=True)
    fitted = predictor_of(list(texts), list(topics), version=version, name="topic")
    now = stage.runtime.now()
    with stage.runtime.sessions.begin() as session:
        number = next_number(session, stage.project_id)
        model = first_champion(stage.settings.models_dir, stage.project_id, fitted, now, number)
        store_version(session, stage.project_id, model, now)


def exchange_model(stage: Stage, examples: Sequence[tuple[str, str]], version: str = "v1") -> None:
    """Put another model behind a version's name, as nobody is meant to."""
    texts, topics = zip(*examples, strict=True)
    fitted = predictor_of(list(texts), list(topics), version=version, name="topic")
    artifact = artifacts.save(stage.settings.models_dir, stage.project_id, fitted)
    with stage.runtime.sessions.begin() as session:
        row = session.get_one(ModelRow, (stage.project_id, version))
        assert row.labels == list(fitted.labels)
        row.path, row.sha256 = artifact.path, artifact.sha256


def certify(stage: Stage, threshold: float, *, max_error_rate: float, confidence: float) -> None:
    """Certify ``v1`` as control answers would, if there were as many as that takes."""
    proved = make_certification(
        threshold, model_version="v1", max_error_rate=max_error_rate, confidence=confidence
    )
    with stage.runtime.sessions.begin() as session:
        digest = stage.project.policy_hash
        store_certification(session, stage.project_id, proved, digest, stage.runtime.now())
