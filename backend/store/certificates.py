"""Certificates: the evidence behind a threshold. One valid one a model version and policy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.store.tables import CertificateRow
from policies.domain import Certificate, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCertificate:
    """A certificate with the id that decisions name."""

    id: int
    certificate: Certificate
    certified_at: datetime


def valid_certificate(
    session: Session, project_id: int, model_version: str, policy_hash: str
) -> StoredCertificate | None:
    """The newest certificate of this version under this policy that nothing has voided."""
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
    return None if row is None else _stored(row)


def store_certificate(
    session: Session, project_id: int, certificate: Certificate, policy_hash: str, now: datetime
) -> StoredCertificate:
    """Keep a certificate; whatever was valid in this project before is void from now on."""
    session.execute(
        update(CertificateRow)
        .where(CertificateRow.project_id == project_id, CertificateRow.voided_at.is_(None))
        .values(voided_at=now, void_reason=f"replaced: {certificate.model_version} was certified")
    )
    row = CertificateRow(
        project_id=project_id,
        model_version=certificate.model_version,
        policy_hash=policy_hash,
        threshold=certificate.threshold,
        evidence=asdict(certificate),
        certified_at=now,
    )
    session.add(row)
    session.flush()
    return StoredCertificate(id=row.id, certificate=certificate, certified_at=now)


def _stored(row: CertificateRow) -> StoredCertificate:
    evidence = dict(row.evidence)
    evidence["error"] = Estimate(**evidence["error"])
    evidence["grid"] = tuple(evidence["grid"])
    return StoredCertificate(
        id=row.id, certificate=Certificate(**evidence), certified_at=row.certified_at
    )
