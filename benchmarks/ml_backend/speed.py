"""``/predict`` by Labelgate, by label-studio-ml 1.0.9 and by a bare Flask route, side by side.

Three real servers with a model of words and pairs and a logistic regression each, learned from the
same 2,000 texts, asked for the same tasks over kept connections in short blocks that take turns.
Label Studio 1.23.2 never sends ``/predict`` alone: ``/health`` and ``/setup`` come first, so what
an opened task costs is told beside the route alone. At the end both learn 6,000 texts while they
are asked. Run: ``python -m benchmarks.ml_backend.speed``.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson

from backend.bootstrap import build_runtime
from backend.settings import Settings
from benchmarks import predict, processes, training
from benchmarks.load import Block, Client, block, percentile, request_bytes
from benchmarks.ml_backend import server
from benchmarks.results import Row, at_least, finish, is_quick, line_of, shown, told
from benchmarks.stage import text
from connectors.loopback import free_port
from tests.fakes.foreign_questions import LABEL_CONFIG

BATCHES, CLIENTS = (1, 10, 100, 1_000), (1, 4, 16)
ROUNDS, BLOCK_S = 5, 0.4
# Of label-studio-ml's tasks a second: a task as Label Studio opens it, and a batch on the route.
LEAST_OPENED, LEAST_BATCH = 4.0, 2.0
OWN, PEER, BARE = "labelgate", "label-studio-ml", "bare Flask route"
PROJECT = "1.1795358297"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A running server."""

    name: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The blocks of one side, and how many tasks an answer holds."""

    blocks: Sequence[Block]
    tasks: int

    @property
    def rates(self) -> list[float]:
        """Tasks a second, a block each."""
        return [len(each.answers) * self.tasks / each.seconds for each in self.blocks]

    @property
    def figure(self) -> str:
        """The whole cell in words."""
        answers = [taken for each in self.blocks for taken in each.answers]
        processor = sum(each.processor_s for each in self.blocks) / (len(answers) * self.tasks)
        told_processor = f", processor {1e3 * processor:.3f} ms a task" if processor else ""
        return (
            f"{statistics.median(self.rates):,.0f} tasks/s, p50 {1e3 * percentile(answers, 50):.2f}"
            f" ms, p99 {1e3 * percentile(answers, 99):.1f} ms{told_processor}"
        )


def started(folder: Path, servers: ExitStack) -> list[Side]:
    """All three, with a trained model each."""
    settings = Settings(data_dir=folder)
    runtime = build_runtime(settings)
    artifact = predict.store_project_with_model(runtime, predict.trained_model())
    runtime.sessions.kw["bind"].dispose()
    ports = [free_port() for _ in range(3)]
    model = [str(settings.models_dir), artifact.path, artifact.sha256, predict.VERSION]
    bare = ["-m", "benchmarks.bare_predict", str(ports[2]), str(settings.web_threads), *model]
    own = servers.enter_context(
        processes.running(OWN, ports[0], ["-m", "labelgate", "web"], folder)
    )
    least = servers.enter_context(
        processes.running("bare", ports[2], [*bare, predict.CONFIG], folder)
    )
    texts, labels = zip(*[predict.text(10_000_000 + row) for row in range(2_000)], strict=True)
    (folder / "peer").mkdir()
    peer = servers.enter_context(server.running(folder / "peer", ports[1], texts, labels))
    server.set_up(peer.port, PROJECT, predict.CONFIG)
    server.trained(peer, PROJECT, predict.CONFIG)
    return [
        Side(name=OWN, port=own.port, pid=own.pid),
        Side(name=PEER, port=peer.port, pid=peer.pid),
        Side(name=BARE, port=least.port, pid=least.pid),
    ]


def opened(port: int, config: str, body: bytes) -> list[bytes]:
    """What Label Studio sends when a person opens a task: health, setup, predict."""
    setup = {"project": PROJECT, "schema": config, "hostname": "", "access_token": ""}
    health = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    return [
        health,
        request_bytes(port, "/setup", orjson.dumps(setup)),
        request_bytes(port, "/predict", body),
    ]


def measured(
    sides: Sequence[Side],
    requests: Mapping[str, Sequence[Sequence[bytes]]],
    tasks: int,
    clients: int,
) -> dict[str, Cell]:
    """Blocks of all sides in turn, the order turned round each time."""
    kept = {side.name: [Client(side.port) for _ in range(clients)] for side in sides}
    found: dict[str, list[Block]] = {side.name: [] for side in sides}
    for side in sides:
        kept[side.name][0].send(requests[side.name][0])  # the first answer loads the model
    for number in range(1 if is_quick() else ROUNDS):
        for side in sides if number % 2 else reversed(sides):
            found[side.name].append(block(kept[side.name], requests[side.name], BLOCK_S, side.pid))
    for each in (client for own in kept.values() for client in own):
        each.close()
    return {name: Cell(blocks=blocks, tasks=tasks) for name, blocks in found.items()}


def ratio(cells: Mapping[str, Cell], peer: str = PEER) -> float:
    """Labelgate's tasks a second over the peer's: the median of what blocks side by side say."""
    return statistics.median(
        own / other for own, other in zip(cells[OWN].rates, cells[peer].rates, strict=True)
    )


def row(name: str, cells: Mapping[str, Cell], least: float | None) -> Row:
    """The line of a cell beside label-studio-ml, and the bare route where it was asked too."""
    figure, peer = cells[OWN].figure, f"{PEER}: {cells[PEER].figure}"
    if BARE in cells:
        bare = statistics.median(cells[BARE].rates)
        peer += f"; {BARE}: {bare:,.0f} tasks/s, ratio {shown(ratio(cells, BARE))}"
    if least is None:
        return told(name, figure=figure, peer=peer, ratio=ratio(cells))
    return at_least(name, figure=figure, peer=peer, ratio=ratio(cells), limit=least)


def bodies(batch: int) -> list[bytes]:
    """Four batches of tasks."""
    firsts = range(1, 1 + 4 * batch, batch)
    return [predict.request_body(list(range(first, first + batch))) for first in firsts]


def routes(sides: Sequence[Side]) -> Iterator[Row]:
    """``/predict`` alone, every size with every number of clients, then a task as it is opened."""
    for batch in BATCHES:
        for clients in CLIENTS:
            asked = {
                side.name: [[request_bytes(side.port, "/predict", each)] for each in bodies(batch)]
                for side in sides
            }
            cells = measured(sides, asked, batch, clients)
            name = f"/predict, {batch:,} a request, clients: {clients}"
            yield row(name, cells, LEAST_BATCH if batch == max(BATCHES) else None)
    both = [side for side in sides if side.name != BARE]
    for clients in CLIENTS:
        asked = {
            side.name: [opened(side.port, predict.CONFIG, each) for each in bodies(1)]
            for side in both
        }
        cells = measured(both, asked, 1, clients)
        yield row(f"a task opened in Label Studio, clients: {clients}", cells, LEAST_OPENED)


def while_training(folder: Path, servers: ExitStack) -> Row:
    """One task a request by four clients, while each side learns the same texts and idle."""
    (folder / "worked").mkdir()
    (folder / "other").mkdir()
    worked = training.labelled(folder / "worked")
    training.train(worked)
    own_port = servers.enter_context(training.serving(folder / "worked"))
    rows = [text(each, training.LABELS, training.WORDS) for each in range(training.TEXTS)]
    texts, labels = zip(*rows, strict=True)
    port = free_port()
    peer = servers.enter_context(server.running(folder / "other", port, texts, labels))
    server.trained(peer, PROJECT, LABEL_CONFIG)
    own = meanwhile(own_port, lambda: training.train(worked))
    other = meanwhile(port, lambda: server.trained(peer, PROJECT, LABEL_CONFIG))
    return told(
        "/predict, 1 a request, 4 clients, while it learns",
        figure=_beside_idle(own),
        peer=f"{PEER}: {_beside_idle(other)}",
        ratio=statistics.median(own[1].rates) / statistics.median(other[1].rates),
    )


def meanwhile(port: int, train: Callable[[], object]) -> tuple[Cell, Cell]:
    """Blocks of a side before its training and during it."""
    clients = [Client(port) for _ in range(4)]
    tasks = [{"id": 1, "data": {"text": predict.text(1)[0]}, "annotations": []}]
    body = {"tasks": tasks, "project": PROJECT, "label_config": LABEL_CONFIG}
    requests = [[request_bytes(port, "/predict", orjson.dumps(body))]]
    idle = [block(clients, requests, BLOCK_S) for _ in range(ROUNDS)]
    trainer = threading.Thread(target=train)
    trainer.start()
    busy = [block(clients, requests, BLOCK_S)]
    while trainer.is_alive():
        busy.append(block(clients, requests, BLOCK_S))
    for client in clients:
        client.close()
    return Cell(blocks=idle, tasks=1), Cell(blocks=busy, tasks=1)


def _beside_idle(cells: tuple[Cell, Cell]) -> str:
    idle, busy = cells
    share = statistics.median(busy.rates) / statistics.median(idle.rates)
    return f"{busy.figure}; {share:.2f} of its idle tasks/s"


def main() -> None:
    """All three sides on the routes, then two of them while they learn."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        rows = []
        for found in routes(started(folder, servers)):
            print(line_of(found), flush=True)
            rows.append(found)
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        rows.append(while_training(Path(name), servers))
    finish(rows)


if __name__ == "__main__":
    main()
