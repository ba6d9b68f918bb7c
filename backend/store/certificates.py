"""Certifications: the evidence behind thresholds. One valid one a model version and policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.store.tables import CertificateRow
from policies.domain import Certificate, Certification, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCertification:
    """A certification with the id that decisions name."""

    id: int
    certification: Certification
    certified_at: datetime


def valid_certification(
    session: Session, project_id: int, model_version: str, policy_hash: str
) -> StoredCertification | None:
    """The newest of this version under this policy that nothing has voided."""
    row = session.scalar(
        select(CertificateRow)
        .where(
            CertificateRow.project_id == project_id,
            CertificateRow.model_version == model_version,
            CertificateRow.policy_hash == policy_hash,
            CertificateRow.voided_at.is_(None),
        )
        .order_by(CertificateRow.id.desc())
        .limit(1)
    )
    if row is None:
        return None
    return StoredCertification(
        id=row.id, certification=_certification(row), certified_at=row.certified_at
    )


def store_certification(
    session: Session, project_id: int, certification: Certification, policy_hash: str, now: datetime
) -> StoredCertification:
    """Keep a certification; whatever was valid in this project before is void from now on."""
    void_certifications(
        session, project_id, f"replaced: {certification.model_version} was certified", now
    )
    row = CertificateRow(
        project_id=project_id,
        model_version=certification.model_version,
        policy_hash=policy_hash,
        evidence=[each.as_json() for each in certification.certificates],
        certified_at=now,
    )
    session.add(row)
    session.flush()
    return StoredCertification(id=row.id, certification=certification, certified_at=now)


def void_certifications(session: Session, project_id: int, why: str, now: datetime) -> None:
    """Nothing is accepted on them from now on; the evidence stays."""
    session.execute(
        update(CertificateRow)
        .where(CertificateRow.project_id == project_id, CertificateRow.voided_at.is_(None))
        .values(voided_at=now, void_reason=why)
    )


def _certification(row: CertificateRow) -> Certification:
    return Certification(
        model_version=row.model_version,
        certificates=tuple(_certificate(dict(evidence)) for evidence in row.evidence),
    )


def _certificate(evidence: dict[str, Any]) -> Certificate:
    for name in ("since", "until"):
        given = evidence.get(name)
        evidence[name] = datetime.fromisoformat(given) if given else None
    evidence["error"] = Estimate(**evidence["error"])
    evidence["grid"] = tuple(evidence["grid"])
    return Certificate(**evidence)
