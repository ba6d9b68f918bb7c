"""Bad input, two projects, a restart and two workers: label-studio-ml beside Labelgate.

Each case is sent to both running servers; what Labelgate must answer is asserted, what the peer
answered is told as it came. Run: ``python -m benchmarks.ml_backend.cases``.
"""

from __future__ import annotations

import http.client
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from backend.bootstrap import build_runtime
from backend.settings import Settings
from benchmarks import predict, processes
from benchmarks.ml_backend import server
from benchmarks.ml_backend.inputs import INPUTS, PROJECT, Input, texts
from benchmarks.results import Row, asserted, finish
from benchmarks.stage import choices_config
from connectors.loopback import free_port

OTHER_PROJECT, NOT_TRAINED = "2.1795358298", "a project that was never trained"
OTHER_CONFIG = choices_config(("ham", "spam"))
BIG_BYTES = 60_000_000  # past LABELGATE_MAX_BODY_MB
ASKED = 60  # by two processes in turn
PICK_UP_S = 2.0
OWN, PEER = "labelgate", "label-studio-ml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer: its status (0 where none came), its body."""

    status: int
    body: bytes

    @property
    def words(self) -> str:
        """In a few words."""
        told = "with a traceback" if b"Traceback" in self.body else ""
        if self.status == 0:
            return "no answer"
        if self.status == 200 and b'"problems"' in self.body:
            told = "the rest answered, the task's problem told"
        return f"{self.status} {told}".strip()


def ask(port: int, what: Input) -> Said:
    """Send it over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(what.method, what.path, what.body, {"Content-Type": what.content_type})
        response = connection.getresponse()
        return Said(status=response.status, body=response.read())
    except OSError:
        return Said(status=0, body=b"")
    finally:
        connection.close()


def labels(port: int, project: str, config: str, words: Sequence[str]) -> list[Any]:
    """What ``/predict`` answers for texts: a label each, None for nothing; or the status."""
    body = orjson.loads(texts(*words)) | {"project": project, "label_config": config}
    status, content = server.post(port, "/predict", orjson.dumps(body))
    if status != 200:
        return [status]
    results = orjson.loads(content)["results"]
    return [each["result"][0]["value"]["choices"][0] if each else None for each in results]


def bad_input(own: int, peer: int) -> Iterator[Row]:
    """Every request that goes wrong, and that both still answer a right one afterwards."""
    for what in INPUTS:
        mine, theirs = ask(own, what), ask(peer, what)
        held = mine.status == what.status and b"Traceback" not in mine.body
        yield asserted(what.name, figure=mine.words, held=held, peer=f"{PEER}: {theirs.words}")
    big = Input(name="a text of 60 MB", body=texts("x" * BIG_BYTES), status=413)
    mine, theirs = ask(own, big), ask(peer, big)
    held = mine.status == big.status
    yield asserted(big.name, figure=mine.words, held=held, peer=f"{PEER}: {theirs.words}")
    right = Input(name="a right request after all of these", body=texts("a word"), status=200)
    mine, theirs = ask(own, right), ask(peer, right)
    held = mine.status == 200
    yield asserted(right.name, figure=mine.words, held=held, peer=f"{PEER}: {theirs.words}")


def two_projects(own: int, peer: int) -> Iterator[Row]:
    """A second project that was never trained, after the first one was."""
    words = [predict.text(seed)[0] for seed in range(20)]
    server.set_up(peer, OTHER_PROJECT, OTHER_CONFIG)
    mine = set(labels(own, OTHER_PROJECT, OTHER_CONFIG, words))
    theirs = set(labels(peer, OTHER_PROJECT, OTHER_CONFIG, words))
    strange = sorted(str(each) for each in theirs - {"ham", "spam"})
    yield asserted(
        NOT_TRAINED,
        figure="no label, no trace of the other project" if mine == {None} else str(mine),
        held=mine == {None},
        peer=f"{PEER}: labels of the other project ({', '.join(strange)})",
    )
    more = choices_config(("a first label", *predict.LABELS))
    before = labels(own, PROJECT, predict.CONFIG, words)
    mine_after = labels(own, PROJECT, more, words)
    server.set_up(peer, PROJECT, more)
    theirs_before = labels(peer, PROJECT, predict.CONFIG, words)
    theirs_after = labels(peer, PROJECT, more, words)
    yield asserted(
        "a label that sorts first is added",
        figure="the same answers" if before == mine_after else f"{before} then {mine_after}",
        held=before == mine_after,
        peer=f"{PEER}: {'the same answers' if theirs_before == theirs_after else 'others'}",
    )
    fewer = choices_config(predict.LABELS[5:])
    gone = set(predict.LABELS[:5])
    mine_left, theirs_left = labels(own, PROJECT, fewer, words), labels(peer, PROJECT, fewer, words)
    yield asserted(
        "labels are removed",
        figure="none of them is answered" if not gone & set(mine_left) else str(mine_left),
        held=not gone & set(mine_left) and any(mine_left),
        peer=f"{PEER}: {sum(each in gone for each in theirs_left)} of 20 answers are such labels",
    )


def stored(folder: Path, *, model: bool) -> Settings:
    """A store with the trained project, or with none of its model yet, and an untrained one."""
    settings = Settings(data_dir=folder)
    runtime = build_runtime(settings)
    if model:
        predict.store_project_with_model(runtime, predict.trained_model())
    predict.store_project_without_model(runtime, 2, OTHER_CONFIG)
    runtime.sessions.kw["bind"].dispose()
    return settings


def restart(folder: Path, peer_folder: Path, examples: Sequence[tuple[str, str]]) -> Iterator[Row]:
    """The same answers before and after both end and start again."""
    words = [predict.text(seed)[0] for seed in range(20)]
    found: dict[str, list[list[Any]]] = {OWN: [], PEER: []}
    for _ in range(2):
        with ExitStack() as servers:
            own = serving(folder, servers)
            peer = peer_serving(peer_folder, servers, examples)
            server.set_up(peer.port, PROJECT, predict.CONFIG)
            if not found[PEER]:
                server.trained(peer, PROJECT, predict.CONFIG)
            found[OWN].append(labels(own, PROJECT, predict.CONFIG, words))
            found[PEER].append(labels(peer.port, PROJECT, predict.CONFIG, words))
    held = found[OWN][0] == found[OWN][1] and any(found[OWN][0])
    same = "the same answers" if found[PEER][0] == found[PEER][1] else "other answers"
    figure = "the same answers" if held else "other answers"
    yield asserted("restarted", figure=figure, held=held, peer=f"{PEER}: {same}, once set up anew")


def serving(folder: Path, servers: ExitStack) -> int:
    """A ``labelgate web`` on this folder; its port."""
    port = free_port()
    command = ["-m", "labelgate", "web"]
    return servers.enter_context(processes.running(f"web-{port}", port, command, folder)).port


def peer_serving(
    folder: Path, servers: ExitStack, examples: Sequence[tuple[str, str]], workers: int = 1
) -> server.Peer:
    """A server of label-studio-ml that learns from these."""
    folder.mkdir(exist_ok=True)
    said, topics = zip(*examples, strict=True)
    port = free_port()
    return servers.enter_context(server.running(folder, port, said, topics, workers=workers))


def two_workers(folder: Path, examples: Sequence[tuple[str, str]]) -> Iterator[Row]:
    """Two processes of each, trained once: how many of 60 answers are the new version's."""
    (folder / "two").mkdir()
    stored(folder / "two", model=False)
    with ExitStack() as servers:
        ports = [serving(folder / "two", servers) for _ in range(2)]
        runtime = build_runtime(Settings(data_dir=folder / "two"))
        predict.store_project_with_model(runtime, predict.trained_model())
        runtime.sessions.kw["bind"].dispose()
        time.sleep(PICK_UP_S)
        mine = [version(ports[number % 2]) for number in range(ASKED)]
        peer = peer_serving(folder / "peer-two", servers, examples, workers=2)
        for _ in range(10):  # until each worker was asked: before that /predict is refused
            server.set_up(peer.port, PROJECT, predict.CONFIG)
        new = server.trained(peer, PROJECT, predict.CONFIG)
        theirs = [version(peer.port) for _ in range(ASKED)]
    yield asserted(
        "two processes, one training",
        figure=f"{mine.count(predict.VERSION)} of {ASKED} answers are the new version's",
        held=mine.count(predict.VERSION) == ASKED,
        peer=f"{PEER}: {theirs.count(new)} of {ASKED}",
    )


def version(port: int) -> str:
    """Which version answers ``/predict``."""
    status, content = server.post(port, "/predict", texts("a word"))
    return str(orjson.loads(content)["model_version"]) if status == 200 else str(status)


def main() -> None:
    """All cases on both."""
    examples = [predict.text(10_000_000 + row) for row in range(2_000)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "one").mkdir()
        stored(folder / "one", model=True)
        with ExitStack() as servers:
            own = serving(folder / "one", servers)
            peer = peer_serving(folder / "peer", servers, examples)
            fresh = labels(peer.port, PROJECT, predict.CONFIG, ["a word"])
            server.set_up(peer.port, PROJECT, predict.CONFIG)
            untrained = labels(peer.port, PROJECT, predict.CONFIG, ["a word"])
            server.trained(peer, PROJECT, predict.CONFIG)
            rows = [*bad_input(own, peer.port), *two_projects(own, peer.port)]
            mine = labels(own, OTHER_PROJECT, OTHER_CONFIG, ["a word"])
        rows.append(
            asserted(
                "before the first training",
                figure="no label" if mine == [None] else str(mine),
                held=mine == [None],
                peer=f"{PEER}: {fresh[0]} before /setup, then {untrained[0]!r} for every text",
            )
        )
        rows += restart(folder / "one", folder / "peer", examples)
        rows += two_workers(folder, examples)
    finish(rows)


if __name__ == "__main__":
    main()
