"""What ``/predict`` answers from: everything of a project that is needed, in memory, unchangeable.

A request takes one snapshot and works with it to its end, so that no answer mixes two versions.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.exc import OperationalError

from backend.champion import load_version
from backend.predictors.errors import ArtifactError
from backend.predictors.protocol import Predictor
from backend.runtime import Runtime
from backend.safeguards import suspended_groups
from backend.store.certificates import StoredCertification, valid_certification
from backend.store.gold import gold_task_ids
from backend.store.models import ModelVersion, champion
from backend.store.projects import ConnectedProject, active_project
from connectors.label_studio.labeling import Labeling, parse_labeling
from policies.automation import RULES_ALONE
from policies.engine import NO_MODEL
from policies.loading import parse_policy
from policies.promises import Group
from policies.schema import Policy

logger = logging.getLogger(__name__)

MAX_AGE = timedelta(seconds=1)
_LOOK_S = 0.5


class ProjectNotConnectedError(Exception):
    """The project is unknown here, or was disconnected; the message says what to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A project as it stood at one moment; ``predictor`` is None before the first training.

    ``gold`` are the tasks that people answer blind although their truth is known, ``suspended`` the
    groups of answers that are not accepted now, with why.
    """

    project: ConnectedProject
    policy: Policy
    labeling: Labeling
    model: ModelVersion | None
    predictor: Predictor | None
    certified: StoredCertification | None
    gold: frozenset[int] = frozenset()
    suspended: Mapping[Group, str] = field(default_factory=dict)

    @property
    def model_version(self) -> str:
        """The one version string of ``/setup`` and ``/predict``.

        Before the first training it is that of rules' answers, or without rules a text that no
        stored prediction ever carries.
        """
        if self.model is not None:
            return self.model.version
        return RULES_ALONE if self.policy.automation else NO_MODEL


@dataclass(frozen=True, slots=True)
class _Entry:
    snapshot: Snapshot
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """What the database says now; cheap to read, and enough to see what changed."""

    project: ConnectedProject
    model: ModelVersion | None
    certified: StoredCertification | None
    gold: frozenset[int]
    suspended: Mapping[Group, str]


class Snapshots:
    """The snapshots of all projects, about a second old at most. Thread-safe.

    Requests look for changes themselves; ``watch`` does it beside them in a serving process, so
    that no request waits while a promoted version is loaded, and none meets an old one after a
    pause.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._entries: dict[int, _Entry] = {}
        self._refreshing: dict[int, threading.Lock] = {}

    def get(self, project_id: int) -> Snapshot:
        """The project's snapshot, about a second old at most.

        While one thread looks for changes, or the database does not answer, the others go on with
        the snapshot that is there. Raises ``ProjectNotConnectedError``; where there is no snapshot
        yet also ``OperationalError`` (database), ``ArtifactError`` and ``LabelingError``.
        """
        entry = self._entries.get(project_id)
        now = self._runtime.now()
        # abs: a clock that was set back must not freeze the snapshot.
        if entry is not None and abs(now - entry.checked_at) < MAX_AGE:
            return entry.snapshot
        refreshing = self._lock(project_id)
        if entry is None:
            with refreshing:
                return self._refresh(project_id, now, MAX_AGE)
        if not refreshing.acquire(blocking=False):
            return entry.snapshot
        try:
            return self._refresh(project_id, now, MAX_AGE)
        finally:
            refreshing.release()

    def watch(self, stop: threading.Event) -> threading.Thread:
        """Look for changes of what was asked for, in a thread, twice a second until stopped."""
        watcher = threading.Thread(target=self._watch, args=(stop,), name="snapshots", daemon=True)
        watcher.start()
        return watcher

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(_LOOK_S):
            for project_id in list(self._entries):
                with self._lock(project_id):
                    try:
                        self._refresh(project_id, self._runtime.now(), timedelta(0))
                    except ProjectNotConnectedError:
                        logger.info("serving.disconnected project=%d", project_id)
                    except Exception:
                        # Whatever it is, the next request meets it too and says it.
                        logger.exception("serving.not_looked project=%d", project_id)

    def _lock(self, project_id: int) -> threading.Lock:
        # One a project: a model that takes long to load keeps no other project waiting.
        return self._refreshing.setdefault(project_id, threading.Lock())

    def _refresh(self, project_id: int, now: datetime, young: timedelta) -> Snapshot:
        entry = self._entries.get(project_id)
        if entry is not None and abs(now - entry.checked_at) < young:
            return entry.snapshot  # another thread was faster
        old = None if entry is None else entry.snapshot
        try:
            snapshot = _updated(old, self._fingerprint(project_id), self._runtime)
        except ProjectNotConnectedError:
            self._entries.pop(project_id, None)
            raise
        except (OperationalError, ArtifactError) as error:
            if old is None:
                raise
            logger.warning("serving.stale project=%d error=%s", project_id, error)
            snapshot = old
        self._entries[project_id] = _Entry(snapshot, now)
        return snapshot

    def _fingerprint(self, project_id: int) -> _Fingerprint:
        with self._runtime.reads() as session:
            project = active_project(session, project_id)
            if project is None:
                raise ProjectNotConnectedError(
                    f"project {project_id} is not connected: run "
                    f"`labelgate connect --project {project_id} --policy FILE`"
                )
            model = champion(session, project_id)
            certified, suspended = None, dict[Group, str]()
            if model is not None:
                suspended = suspended_groups(session, project_id, model.version)
                certified = valid_certification(
                    session, project_id, model.version, project.policy_hash
                )
            gold = gold_task_ids(session, project_id)
        return _Fingerprint(project, model, certified, gold, suspended)


def _updated(old: Snapshot | None, now: _Fingerprint, runtime: Runtime) -> Snapshot:
    """A snapshot of what the database says; what did not change is taken from the old one."""
    project, model = now.project, now.model
    if old is not None and old.project.policy_hash == project.policy_hash:
        policy = old.policy
    else:
        policy = parse_policy(project.policy_text)
    return Snapshot(
        project=project,
        policy=policy,
        labeling=parse_labeling(project.label_config),
        model=model,
        predictor=_predictor(old, now, policy, runtime),
        certified=now.certified,
        gold=now.gold,
        suspended=now.suspended,
    )


def _predictor(
    old: Snapshot | None, now: _Fingerprint, policy: Policy, runtime: Runtime
) -> Predictor | None:
    """The serving version's predictor: the old one while it answers the same questions."""
    project, model = now.project, now.model
    if model is None:
        return None
    loaded = None
    if old is not None and old.model is not None and _same_artifact(old.model, model):
        loaded = old.predictor
        if old.policy is policy and old.project.label_config == project.label_config:
            return loaded
    predictor = load_version(runtime, project, policy, model, loaded)
    if loaded is None:
        logger.info("serving.model project=%d version=%s", project.id, model.version)
    return predictor


def _same_artifact(one: ModelVersion, other: ModelVersion) -> bool:
    return one.version == other.version and one.sha256 == other.sha256
