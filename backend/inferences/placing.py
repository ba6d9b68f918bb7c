"""Use case: drawn inferences become tasks in Label Studio, each once, with where they come from.

Data that was kept is there. Data that was not is asked for at the policy's address, or comes in a
file (``labelgate inferences data``); it is held to the hash of what the model was sent, and masked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from backend.bulk_imports import in_requests
from backend.inferences.healing import find_in_store, find_in_tool, provenance
from backend.inferences.masking import masked
from backend.leasing import Lease
from backend.runtime import Runtime
from backend.secret_files import credentials_named
from backend.settings import Settings
from backend.store.inference_tasks import (
    INFERENCE_KEY,
    Drawn,
    count_wanting,
    drawn_inferences,
    store_lost,
    store_placed,
    wanting_data,
)
from backend.store.projects import ConnectedProject
from backend.store.tasks import StoredTask, store_tasks
from connectors.annotation_tool import AnnotationToolRefusedError
from connectors.inference_data import data_sha256
from connectors.inference_source import MOST_IDS, fetch_data
from connectors.label_studio.labeling import parse_labeling
from connectors.model_servers.server import ModelServer, ModelServerError, model_server
from policies.loading import parse_policy
from policies.monitoring import Fetch
from policies.schema import Policy

_LOADED = 100  # inferences read at a time: one may carry an image of megabytes
_SHOWN = 12  # digits of a hash
_MOST_REFUSED = 20  # one by one, before it is plain that all are


class DataSourceError(Exception):
    """The data of drawn inferences cannot be had now; the message says from where and why."""


class _Placing:
    """Tasks in the making, noted as they are made: how many, and how many inferences are lost."""

    def __init__(self, runtime: Runtime, project: ConnectedProject, lease: Lease) -> None:
        self._runtime = runtime
        self._project = project
        self._lease = lease
        controls = parse_labeling(project.label_config).controls
        self._shown = sorted({key for each in controls for key in each.data_keys if key})
        self._mask = parse_policy(project.policy_text).monitoring.mask
        self._refused: dict[int, AnnotationToolRefusedError] = {}
        self.placed = 0
        self.lost = 0

    def place(self, ready: Iterable[Drawn]) -> None:
        """Make tasks of these, whose data is there.

        All are masked as the policy says now: what was kept was kept under an earlier one. Where
        Label Studio takes some and refuses others, it is those that are wrong: they are lost.
        Where it takes none, somebody must act: raises its error, and nothing is lost.
        """
        before = self.placed
        self._refused.clear()
        blank = (replace(each, data=masked(_data(each), self._mask)) for each in ready)
        for chunk in in_requests(self._showable(blank), _data):
            self._make(chunk, before)
        if self._refused and self.placed == before:
            raise next(iter(self._refused.values()))
        why = {row: f"Label Studio refused it: {error}" for row, error in self._refused.items()}
        self.lose(why)

    def lose(self, why: Mapping[int, str]) -> None:
        """Note these as lost, by row."""
        if not why:
            return
        with self._runtime.sessions.begin() as session:
            self._lease.require(session)
            store_lost(session, why)
        self.lost += len(why)

    def _showable(self, ready: Iterable[Drawn]) -> Iterator[Drawn]:
        """Those that have what people are to see: one without would be refused with all others."""
        for drawn in ready:
            missing = [key for key in self._shown if key not in _data(drawn)]
            if not missing:
                yield drawn
                continue
            named = " and ".join(map(repr, missing))
            self.lose({drawn.row_id: f"its data has no {named}, which the labelling config shows"})

    def _make(self, chunk: Sequence[Drawn], before: int) -> None:
        """Make tasks of all of them, or of both halves; those that are refused alone are noted."""
        tool, project_id = self._runtime.tool(), self._project.id
        data = [_data(each) | {INFERENCE_KEY: provenance(each)} for each in chunk]
        try:
            ids = tool.import_tasks(project_id, data)
        except AnnotationToolRefusedError as error:
            tool.project(str(project_id))  # refuses too where it is not the tasks that are wrong
            if len(self._refused) == _MOST_REFUSED and self.placed == before:
                raise
            if len(chunk) == 1:
                self._refused[chunk[0].row_id] = error
                return
            half = len(chunk) // 2
            self._make(chunk[:half], before)
            self._make(chunk[half:], before)
            return
        tasks = [StoredTask(id=task_id, data=each) for task_id, each in zip(ids, data, strict=True)]
        with self._runtime.sessions.begin() as session:
            self._lease.require(session)
            store_tasks(session, project_id, tasks, self._runtime.now())
            rows = [each.row_id for each in chunk]
            store_placed(session, dict(zip(rows, ids, strict=True)))
        self.placed += len(chunk)


def place_drawn(
    runtime: Runtime, project: ConnectedProject, policy: Policy, lease: Lease
) -> dict[str, int]:
    """Make tasks of all that wait for it and whose data can be had.

    How many were made, lost, and still wait for their data. Raises the tool's error, and
    ``DataSourceError``; what was made before stands, and the rest is tried again.
    """
    with runtime.reads() as session:
        kept = bool(drawn_inferences(session, project.id, 0, 1, kept=True))
        wanted = count_wanting(session, project.id)
    if not kept and not wanted:
        return {"placed": 0, "lost": 0, "wanted": 0}
    found = find_in_store(runtime, project, lease)
    source = policy.monitoring.fetch
    placing = _Placing(runtime, project, lease)
    if kept or source is not None:
        found += find_in_tool(runtime, project, lease)
        placing.place(_kept(runtime, project))
    if source is not None:
        _place_fetched(runtime, project, source, placing)
    return _counted(runtime, project, placing, found)


def place_supplied(
    runtime: Runtime,
    project: ConnectedProject,
    supplied: Mapping[str, dict[str, Any]],
    lease: Lease,
) -> dict[str, int]:
    """The same of the inferences whose data somebody brings, by id.

    Those that are not wanted are left aside. One that was lost for want of its data is wanted too.
    """
    found = find_in_store(runtime, project, lease, lost=True)
    found += find_in_tool(runtime, project, lease)
    with runtime.reads() as session:
        wanting = wanting_data(session, project.id, lost=True)
    placing = _Placing(runtime, project, lease)
    known = [each for each in wanting if each.inference_id in supplied]
    placing.place(_sound(known, supplied, (placing, "the file")))
    return _counted(runtime, project, placing, found)


def _counted(
    runtime: Runtime, project: ConnectedProject, placing: _Placing, found: int
) -> dict[str, int]:
    with runtime.reads() as session:
        wanted = count_wanting(session, project.id)
    return {"placed": found + placing.placed, "lost": placing.lost, "wanted": wanted}


def _kept(runtime: Runtime, project: ConnectedProject) -> Iterator[Drawn]:
    """Those whose data was kept, read as they are asked for."""
    after = 0
    while True:
        with runtime.reads() as session:
            drawn = drawn_inferences(session, project.id, after, _LOADED, kept=True)
        if not drawn:
            return
        yield from drawn
        after = drawn[-1].row_id


def _place_fetched(
    runtime: Runtime, project: ConnectedProject, source: Fetch, placing: _Placing
) -> None:
    """Ask for data request by request, and make tasks of it before the next is asked."""
    server = _server(runtime.settings, source)
    with runtime.reads() as session:
        wanting = wanting_data(session, project.id)
    for start in range(0, len(wanting), MOST_IDS):
        part = wanting[start : start + MOST_IDS]
        try:
            data = fetch_data(server, [each.inference_id for each in part], source.timeout_s)
        except ModelServerError as error:
            raise DataSourceError(f"monitoring.fetch: {source.url} {error}") from error
        unknown = [each.row_id for each in part if each.inference_id not in data]
        placing.lose(dict.fromkeys(unknown, f"{source.url} gave no data of it"))
        known = [each for each in part if each.inference_id in data]
        placing.place(_sound(known, data, (placing, source.url)))


def _server(settings: Settings, source: Fetch) -> ModelServer:
    name = source.credentials
    credentials = None if name is None else credentials_named(settings, name)
    if name is not None and credentials is None:
        raise DataSourceError(
            f"monitoring.fetch: the credentials {name!r} of {source.url} are not set: put them "
            f"into LABELGATE_UPSTREAM_CREDENTIALS, or into the file {name}.credentials in the "
            "data folder"
        )
    return model_server(source.url, credentials, destinations=settings.destinations)


def _sound(
    known: Iterable[Drawn],
    data: Mapping[str, dict[str, Any]],
    told_by: tuple[_Placing, str],
) -> Iterator[Drawn]:
    """Those whose data is what their model was sent, as far as a hash says it."""
    placing, who = told_by
    for drawn in known:
        given = data[drawn.inference_id]
        wrong = _mismatch(drawn.data_sha256, given)
        if wrong is None:
            yield replace(drawn, data=given)
        else:
            placing.lose({drawn.row_id: f"{who} gave other data than the model was sent: {wrong}"})


def _mismatch(expected: str | None, data: Mapping[str, Any]) -> str | None:
    """What is wrong with the data; None where nothing is, or no hash was sent to hold it to."""
    if expected is None:
        return None
    try:
        found = data_sha256(data)
    except (ValueError, RecursionError) as error:
        return f"it is no JSON that has a hash ({error})"
    if found == expected:
        return None
    return f"its SHA-256 is {found[:_SHOWN]}..., that of what was sent {expected[:_SHOWN]}..."


def _data(drawn: Drawn) -> dict[str, Any]:
    return drawn.data or {}
