"""Use case: a version begins to serve, by the gate, after its shadow, by hand, or by going back.

In one transaction the versions change places, what the other version was certified for is void,
and a version that served before has its own certificate back. From there on every moment is safe:
a version without a certificate accepts nothing. The control slice is looked at right afterwards,
and the next round of jobs decides every open task anew.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.certification import certify_version
from backend.champion import load_champion, load_version
from backend.predictors.errors import ArtifactError
from backend.runtime import Runtime
from backend.slices import proving_since
from backend.store.acts import Act, record_act
from backend.store.certificates import (
    StoredCertification,
    newest_certification,
    replace_certifications,
    store_certification,
    valid_certification,
)
from backend.store.models import CHAMPION, ModelVersion, all_versions, champion
from backend.store.projects import ConnectedProject
from backend.store.promotions import Kind, Promotion, replaced_by, store_promotion
from backend.store.recalls import lock_project
from backend.store.shadows import end_shadows
from connectors.annotation_tool import AnnotationToolError
from policies.loading import parse_policy

logger = logging.getLogger(__name__)

# In the trail of what people do on pages.
CHANGES = ROLLED_BACK, PROMOTED = "model.rolled_back", "model.promoted"


class PromotionError(Exception):
    """A version cannot begin to serve; the message says why and what can be done."""


class OvertakenError(PromotionError):
    """Another version serves than the one that somebody was shown when they chose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What somebody was shown on a page and said yes to: who serves, and who is to."""

    who: str
    serving: str | None
    version: str


def promote(
    runtime: Runtime,
    project: ConnectedProject,
    version: str,
    why: str,
    confirmed: Confirmed | None = None,
) -> Promotion:
    """Let a stored version serve, whatever the gate said of it; ``why`` is kept.

    What was ``confirmed`` on a page is held against what is so by then, and kept in the trail; the
    next round of jobs looks at the control slice, which a page has no time for.

    Raises
        OvertakenError: another version serves by now than was shown.
        PromotionError: there is no such version, it serves already, or its file is damaged.
    """
    return _by_hand(runtime, project, version, (Kind.PROMOTE, why), confirmed)


def roll_back(
    runtime: Runtime, project: ConnectedProject, why: str, confirmed: Confirmed | None = None
) -> Promotion:
    """Let the version serve again that served before the one that does; ``why`` is kept.

    Done twice, it goes back two versions. ``confirmed`` as in ``promote``.

    Raises
        OvertakenError: another version serves by now than was shown, or served before it.
        PromotionError: nothing served before, or that version's file is damaged.
    """
    with runtime.reads() as session:
        serving = champion(session, project.id)
        before = None if serving is None else replaced_by(session, project.id, serving.version)
    if confirmed is not None and before != confirmed.version:
        raise _overtaken(None if serving is None else serving.version, confirmed)
    if before is None:
        served = (
            "no version serves" if serving is None else f"nothing served before {serving.version}"
        )
        raise PromotionError(f"{served}: see labelgate models list --project {project.id}")
    return _by_hand(runtime, project, before, (Kind.ROLLBACK, why), confirmed)


def version_of(runtime: Runtime, project: ConnectedProject, version: str) -> ModelVersion:
    """The stored version of this name; ``PromotionError`` names those that there are."""
    with runtime.reads() as session:
        known = all_versions(session, project.id)
    for model in known:
        if model.version == version:
            return model
    listed = ", ".join(each.version for each in known) or "none: labelgate train"
    raise PromotionError(f"project {project.id} has no version {version!r}; it has {listed}")


def _by_hand(
    runtime: Runtime,
    project: ConnectedProject,
    version: str,
    origin: tuple[Kind, str],
    confirmed: Confirmed | None,
) -> Promotion:
    model = version_of(runtime, project, version)
    if confirmed is None and model.state == CHAMPION:
        raise PromotionError(f"{version} serves already: there is nothing to change")
    try:
        load_version(runtime, project, parse_policy(project.policy_text), model)
    except ArtifactError as error:
        raise PromotionError(f"{version} cannot serve: {error}") from error

    kind, why = origin
    with runtime.sessions.begin() as session:
        if confirmed is not None:
            _require_as_shown(session, project.id, confirmed)
        made = put_in_service(runtime, session, project, version, (kind, why))
        if confirmed is not None:
            record_act(session, _act(project.id, made, confirmed.who))
    if confirmed is None:
        recertify(runtime, project)
    return made


def _require_as_shown(session: Session, project_id: int, confirmed: Confirmed) -> None:
    lock_project(session, project_id)
    serving = champion(session, project_id)
    now = None if serving is None else serving.version
    if now != confirmed.serving:
        raise _overtaken(now, confirmed)


def _overtaken(serving: str | None, confirmed: Confirmed) -> OvertakenError:
    return OvertakenError(
        f"{serving or 'no version'} serves by now, and you were shown that "
        f"{confirmed.serving or 'none'} does and {confirmed.version} would: nothing was changed"
    )


def _act(project_id: int, made: Promotion, who: str) -> Act:
    return Act(
        project_id=project_id,
        who=who,
        what=ROLLED_BACK if made.kind is Kind.ROLLBACK else PROMOTED,
        detail={"version": made.version, "replaced": made.replaced, "why": made.why},
        at=made.at,
    )


def put_in_service(
    runtime: Runtime,
    session: Session,
    project: ConnectedProject,
    version: str,
    origin: tuple[Kind, str],
) -> Promotion:
    """Change the serving version within the caller's transaction, and all that hangs on it.

    All certificates are void. The one that this version had under the policy in force holds again,
    unless drift or a withdrawn promise came since: it is as good as it would be had the version
    served on, and a second look at the grown control slice would be one too many.

    Raises
        PromotionError: it serves already.
    """
    lock_project(session, project.id)
    now = runtime.now()
    before = champion(session, project.id)
    if before is not None and before.version == version:  # somebody else was faster
        raise PromotionError(f"{version} serves already: there is nothing to change")
    kind, why = origin
    made = Promotion(
        version=version,
        replaced=None if before is None else before.version,
        kind=kind,
        why=why,
        at=now,
    )
    store_promotion(session, project.id, made)
    end_shadows(session, project.id, f"{version} serves now", now)
    replace_certifications(session, project.id, version, now)
    earlier = returning_certification(session, project, version)
    if earlier is not None:
        store_certification(session, project.id, earlier.certification, project.policy_hash, now)
    logger.info(
        "model.promoted project=%d version=%s replaced=%s kind=%s",
        project.id,
        version,
        made.replaced,
        kind.value,
    )
    return made


def returning_certification(
    session: Session, project: ConnectedProject, version: str
) -> StoredCertification | None:
    """What this version was certified for and would be again if it served; None for nothing."""
    earlier = newest_certification(session, project.id, version, project.policy_hash)
    if earlier is None:
        return None
    since = proving_since(session, project.id, version)
    return earlier if since is None or since < earlier.certified_at else None


def recertify(runtime: Runtime, project: ConnectedProject) -> StoredCertification | None:
    """Look at the control slice at once for what the serving version promises and was not asked.

    Routing does the same in every round; nothing is looked at twice. None where nothing is
    certified: there are not answers enough, the version's file is damaged, or an image that it has
    to read cannot be fetched now.
    """
    policy = parse_policy(project.policy_text)
    try:
        serving = load_champion(runtime, project.id, policy)
    except ArtifactError as error:
        logger.warning("promotion.unreadable project=%d error=%s", project.id, error)
        return None
    if serving is None:
        return None
    with runtime.reads() as session:
        standing = valid_certification(
            session, project.id, serving.model.version, project.policy_hash
        )
    try:
        return certify_version(runtime, project, policy, serving, standing)
    except AnnotationToolError as error:
        logger.warning("promotion.not_certified project=%d error=%s", project.id, error)
        return standing
