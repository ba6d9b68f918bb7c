"""Certifications: the evidence behind thresholds. One valid one a model version and policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from backend.store.promise_tables import CertificateRow
from policies.domain import Certificate, Certification, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCertification:
    """A certification with the id that decisions name and the policy that it was made under."""

    id: int
    policy_hash: str
    certification: Certification
    certified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCertification:
    """A certification with how it ended; ``voided_at`` is None while it holds."""

    stored: StoredCertification
    voided_at: datetime | None
    void_reason: str | None


def certification_named(
    session: Session, project_id: int, certificate_id: int
) -> PastCertification | None:
    """The certification of this id, void or not; None where the project has none of it."""
    row = session.get(CertificateRow, certificate_id)
    if row is None or row.project_id != project_id:
        return None
    return _past(row)


def certifications_of(
    session: Session, project_id: int, model_version: str, limit: int
) -> list[PastCertification]:
    """What a version was certified for, void or not, newest first."""
    rows = session.scalars(
        select(CertificateRow)
        .where(
            CertificateRow.project_id == project_id,
            CertificateRow.model_version == model_version,
        )
        .order_by(CertificateRow.id.desc())
        .limit(limit)
    )
    return [_past(row) for row in rows]


def valid_certification(
    session: Session, project_id: int, model_version: str, policy_hash: str
) -> StoredCertification | None:
    """The newest of this version under this policy that nothing has voided."""
    under_it = (CertificateRow.policy_hash == policy_hash, CertificateRow.voided_at.is_(None))
    row = _newest(session, project_id, model_version, *under_it)
    return None if row is None else _stored(row)


def last_certification(
    session: Session, project_id: int, model_version: str
) -> Certification | None:
    """The newest of this version under whichever policy; None where its promise was withdrawn."""
    row = _newest(session, project_id, model_version)
    return None if row is None or row.withdrawn else _certification(row)


def newest_certification(
    session: Session, project_id: int, model_version: str, policy_hash: str
) -> StoredCertification | None:
    """The newest of this version under this policy, void or not; None where it was withdrawn."""
    row = _newest(session, project_id, model_version, CertificateRow.policy_hash == policy_hash)
    return None if row is None or row.withdrawn else _stored(row)


def replace_certifications(session: Session, project_id: int, serving: str, now: datetime) -> int:
    """Void all that is certified, because another version serves; how many were valid.

    Nothing is withdrawn: a version that comes back may have its certificate again.
    """
    return _void(session, project_id, voided_at=now, void_reason=f"replaced: {serving} serves")


def valid_certifications(session: Session, project_id: int) -> list[StoredCertification]:
    """What nothing has voided, newest first; the version need not be the one that serves."""
    rows = session.scalars(
        select(CertificateRow)
        .where(CertificateRow.project_id == project_id, CertificateRow.voided_at.is_(None))
        .order_by(CertificateRow.id.desc())
    )
    return [_stored(row) for row in rows]


def store_certification(
    session: Session, project_id: int, certification: Certification, policy_hash: str, now: datetime
) -> StoredCertification:
    """Keep a certification; whatever was valid in this project before is void from now on."""
    _void(
        session,
        project_id,
        voided_at=now,
        void_reason=f"replaced: {certification.model_version} was certified",
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
    return _stored(row)


def void_certifications(session: Session, project_id: int, why: str, now: datetime) -> int:
    """Nothing is accepted on them from now on; the evidence stays. How many were valid.

    The promise is withdrawn: control answers that were given before prove nothing of these model
    versions any more (see ``withdrawn_at``).
    """
    return _void(session, project_id, voided_at=now, void_reason=why, withdrawn=True)


def withdrawn_at(session: Session, project_id: int, model_version: str) -> datetime | None:
    """When this version's promise was last withdrawn, under whichever policy; None: never."""
    return session.scalar(
        select(CertificateRow.voided_at)
        .where(
            CertificateRow.project_id == project_id,
            CertificateRow.model_version == model_version,
            CertificateRow.withdrawn.is_(True),
        )
        .order_by(CertificateRow.voided_at.desc())
        .limit(1)
    )


def _newest(
    session: Session, project_id: int, model_version: str, *also: ColumnElement[bool]
) -> CertificateRow | None:
    return session.scalar(
        select(CertificateRow)
        .where(
            CertificateRow.project_id == project_id,
            CertificateRow.model_version == model_version,
            *also,
        )
        .order_by(CertificateRow.id.desc())
        .limit(1)
    )


def _void(session: Session, project_id: int, **values: object) -> int:
    voided = session.execute(
        update(CertificateRow)
        .where(CertificateRow.project_id == project_id, CertificateRow.voided_at.is_(None))
        .values(**values)
    )
    return int(voided.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult


def _past(row: CertificateRow) -> PastCertification:
    return PastCertification(
        stored=_stored(row), voided_at=row.voided_at, void_reason=row.void_reason
    )


def _stored(row: CertificateRow) -> StoredCertification:
    return StoredCertification(
        id=row.id,
        policy_hash=row.policy_hash,
        certification=_certification(row),
        certified_at=row.certified_at,
    )


def _certification(row: CertificateRow) -> Certification:
    return Certification(
        model_version=row.model_version,
        certificates=tuple(certificate_of(evidence) for evidence in row.evidence),
    )


def certificate_of(stored: dict[str, Any]) -> Certificate:
    """A certificate from what its ``as_json`` gave."""
    evidence = dict(stored)
    for name in ("since", "until"):
        given = evidence.get(name)
        evidence[name] = datetime.fromisoformat(given) if given else None
    evidence["error"] = Estimate(**evidence["error"])
    evidence["grid"] = tuple(evidence["grid"])
    return Certificate(**evidence)
