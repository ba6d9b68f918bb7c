"""A whole installation of a test's own, every part of which may be hurt: real processes only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from backend.store.inference_tokens import make_token
from connectors.label_studio.connection import Connection
from connectors.label_studio.local_server import LocalLabelStudio, start_label_studio
from connectors.loopback import free_port
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.stage import Stage, make_stage
from tests.faults.disks import small_disk
from tests.faults.messengers import Messenger
from tests.faults.oracle import Oracle
from tests.faults.wires import Wire
from tests.real_servers import ServerProcess, end, start_postgresql, start_redis
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

LABEL_STUDIO, SERVE = "label_studio", "serve"
TRAINER = "train"
# Everything is in somebody's queue, so that every decision shows in Label Studio.
RULES = """\
auto_accept: {max_error_rate: 0.2, confidence: 0.8}
control: {share: 0.2}
holdout: {share: 0.1}
audit: {share: 0.3}
agreement: {share: 0.2, overlap: 2}
monitoring: {share: 0.3, tier: general}
retrain: {after_annotations: 25, minimum_labels: 12}
"""
CAPACITY = 2_000
POSTGRESQL, REDIS = "postgresql", "redis"
_SETTING = {POSTGRESQL: "database_url", REDIS: "redis_url"}
_START = {POSTGRESQL: start_postgresql, REDIS: start_redis}
_ATTACHED = "backend.commands.attached"


@dataclass(slots=True)
class Plant:
    """The servers, what lies between them, and what the test knows of them.

    ``stage`` has the settings of the processes, which reach Label Studio over ``wire``; its own
    runtime and client go there directly. ``served`` is ``labelgate serve``, or None.
    ``disk_is_small`` says that its data folder is a file system of its own. ``stores`` are a
    PostgreSQL and a Redis of the test's own, by name; none where all is in SQLite. ``unsound`` is
    what a test found wrong for good, None while all is well.
    """

    stage: Stage
    server: LocalLabelStudio
    wire: Wire
    messenger: Messenger
    folder: Path
    oracle: Oracle = field(default_factory=Oracle)
    token: str = field(default="", repr=False)
    served: subprocess.Popen[bytes] | None = None
    disk_is_small: bool = False
    stores: dict[str, ServerProcess] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    label_studio_died: bool = False
    unsound: str | None = None

    @property
    def log(self) -> Path:
        """What ``labelgate serve`` printed, over all its lives."""
        return self.folder / "serve.log"

    def start(self, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start ``labelgate serve``, with this in its environment too, until it answers."""
        with self.log.open("ab") as output:
            self.served = subprocess.Popen(
                [sys.executable, "-m", "labelgate", "serve"],
                env={**self.stage.settings.process_environment(), **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.await_answer()

    def stop(self) -> None:
        """End both servers as an admin would; Labelgate must end cleanly."""
        try:
            self.stop_serving()
        finally:
            self.server.stop()
            for store in self.stores.values():
                end(store)

    def stop_serving(self) -> None:
        """End ``labelgate serve`` as an admin would; it must end cleanly."""
        if self.served is not None:
            self.served.send_signal(signal.SIGTERM)
            code, self.served = self.served.wait(60), None
            assert code == 0, f"labelgate serve ended with {code}; see {self.log}"

    def await_answer(self) -> None:
        """Wait until Labelgate answers; at once fails where it has ended by itself."""

        def answers() -> bool:
            assert self.served is not None
            code = self.served.poll()
            assert code is None, f"labelgate serve gave up with {code}:\n{self.end_of_log()}"
            return self.stage.healthy()

        until(answers, "labelgate serve answers")

    def end_of_log(self) -> str:
        """The last that was printed."""
        return self.log.read_text("utf-8", errors="replace")[-3_000:]

    def victims(self) -> dict[str, int]:
        """What runs now and may be killed, by name."""
        found = {LABEL_STUDIO: self.server.pid}
        found |= {name: store.process.pid for name, store in self.stores.items()}
        if self.served is not None:
            found |= {SERVE: self.served.pid, **supervised(self.served.pid)}
        return found

    def kill(self, name: str) -> bool:
        """End one at once, as a power cut would; False where it does not run now.

        Nobody but the test watches over Label Studio, PostgreSQL, Redis and ``labelgate serve``: it
        starts them again, as a system's own supervisor would.
        """
        if name in self.stores:
            self._kill_store(name)
            return True
        if name == LABEL_STUDIO:
            self.server.kill()
            self.label_studio_died = True
            self.server = start_label_studio(self.server.folder, port=self.server.port)
            return True
        pid = self.victims().get(name)
        if pid is None:
            return False
        if name == SERVE:
            self._kill_serve(pid)
            return True
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has ended in this very moment
            return False
        return True

    def _kill_store(self, name: str) -> None:
        process = self.stores[name].process
        os.killpg(process.pid, signal.SIGKILL)  # all of PostgreSQL's at once: a power cut
        process.wait()
        self.stores[name] = _START[name](self.folder / name, self.ports[name])

    def _kill_serve(self, pid: int) -> None:
        family = descendants(pid)
        os.kill(pid, signal.SIGKILL)
        assert self.served is not None
        self.served.wait(10)
        until(lambda: not alive(family), "what a killed supervisor had started ends by itself")
        self.start()


def supervised(supervisor: int) -> dict[str, int]:
    """The supervised processes by their command, the trainer, and the worker below the web."""
    found: dict[str, int] = {}
    for pid, (parent, arguments) in descendants(supervisor).items():
        if _ATTACHED not in arguments:
            continue
        command = arguments.split(_ATTACHED, 1)[1].split()
        name = next((word for word in command if word.isalpha()), "")
        if parent == supervisor or name == TRAINER:
            found[name] = pid
        elif name == "web":
            found["web worker"] = pid
    return found


def descendants(ancestor: int) -> dict[int, tuple[int, str]]:
    """The processes below one, to any depth: parent and command line."""
    listing = subprocess.run(
        ["/bin/ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()]
    found: dict[int, tuple[int, str]] = {}
    family = {ancestor}
    while True:
        new = {
            int(pid): (int(parent), arguments)
            for pid, parent, arguments in (row for row in rows if len(row) == 3)
            if int(parent) in family and int(pid) not in found
        }
        if not new:
            return found
        found |= new
        family |= new.keys()


def alive(processes: dict[int, tuple[int, str]]) -> list[int]:
    """Those that still run under the same command line."""
    return [pid for pid, (_, arguments) in processes.items() if _runs(pid, arguments)]


def _runs(pid: int, arguments: str) -> bool:
    try:
        running = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return running.replace(b"\0", b" ").decode(errors="replace").strip() == arguments.strip()


@contextmanager
def make_plant(folder: Path, tasks: int, stores: Sequence[str] = ()) -> Iterator[Plant]:
    """An installation that has ``tasks`` texts and is connected, on SQLite or on these stores."""
    with ExitStack() as stack:
        ports = {name: free_port() for name in stores}
        started = {name: _START[name](folder / name, ports[name]) for name in stores}
        for store in started.values():
            stack.callback(end, store)
        urls = {_SETTING[name]: store.url for name, store in started.items()}
        plant = _hurtable(stack, folder, tasks, urls)
        plant.stores, plant.ports = started, ports
        plant.oracle.places.update(range(tasks))
        plant.oracle.acknowledged_places.update(range(tasks))
        plant.start()
        stage = plant.stage
        policy = write_rules(stage, folder / "policy.yaml", RULES, capacity=CAPACITY)
        stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
        with stage.runtime.sessions.begin() as session:
            plant.token = make_token(session, stage.project_id, stage.runtime.now())
        yield plant


def _hurtable(stack: ExitStack, folder: Path, tasks: int, more: Mapping[str, str]) -> Plant:
    """The disk, the servers and the lines between them; Labelgate does not run yet."""
    small = stack.enter_context(small_disk(folder / "labelgate"))
    server = start_label_studio(folder / "label-studio")
    stack.callback(server.stop)
    wire = stack.enter_context(Wire(server.port).running())
    port = free_port()
    messenger = stack.enter_context(Messenger(f"http://127.0.0.1:{port}").running())
    admin = Connection(server.url, server.token, setting="LABELGATE_LABEL_STUDIO_TOKEN")
    stack.callback(admin._http.close)  # a socket left open is a warning, and those are errors
    running = RunningLabelStudio(
        url=server.url, token=server.token, version=server.version, admin=admin
    )
    settings = {"port": port, "username": "gate", "password": "correct horse", **more}
    made = make_stage(running, folder, tasks, sync_interval_s=1, **settings)
    stage = stack.enter_context(made)
    behind = {"label_studio_url": wire.url, "public_url": messenger.url}
    plant = Plant(
        stage=replace(stage, settings=stage.settings.model_copy(update=behind)),
        server=server,
        wire=wire,
        messenger=messenger,
        folder=folder,
        disk_is_small=small,
    )
    stack.callback(plant.stop)
    return plant
