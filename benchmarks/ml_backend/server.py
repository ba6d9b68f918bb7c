"""A server of label-studio-ml 1.0.9 as a process, started as its own Dockerfile starts it."""

from __future__ import annotations

import http.client
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from connectors.label_studio.installation import cache_folder

HERE = Path(__file__).parent
THREADS = 8  # of its Dockerfile
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Where it listens, its process, and the folder of its trainings."""

    port: int
    pid: int
    models: Path


def environment() -> Path | None:
    """The ``bin`` of the newest install of `make label-studio-ml`; None where there is none."""
    ready = sorted(cache_folder().glob("ml-backend-*/ready"), key=lambda path: path.stat().st_mtime)
    return ready[-1].parent / "venv" / "bin" if ready else None


@contextmanager
def running(
    folder: Path, port: int, texts: Sequence[str], labels: Sequence[str], workers: int = 1
) -> Iterator[Peer]:
    """A server that learns from these examples, until the end of the block.

    Raises ``SystemExit``: label-studio-ml is not installed, or it does not start.
    """
    place = environment()
    if place is None:
        raise SystemExit("label-studio-ml is not installed: run `make label-studio-ml`")
    models = folder / "models"
    models.mkdir(exist_ok=True)
    examples = folder / "examples.json"
    examples.write_bytes(orjson.dumps({"texts": list(texts), "labels": list(labels)}))
    # A library of ours on the path would be one that its own libraries do not expect.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own = {"MODEL_DIR": str(models), "PEER_EXAMPLES": str(examples), "PYTHONUNBUFFERED": "1"}
    options = ["--preload", "--workers", str(workers), "--threads", str(THREADS), "--timeout", "0"]
    log = folder / "label-studio-ml.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [place / "gunicorn", *options, "--bind", f"127.0.0.1:{port}", "text_backend:app"],
            cwd=HERE,
            env=kept | own,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(log.read_text(encoding="utf-8")[-2000:])
            time.sleep(0.1)
        yield Peer(port=port, pid=process.pid, models=models)
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int) -> bool:
    """Whether ``/health`` says 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def post(
    port: int,
    path: str,
    body: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> tuple[int, bytes]:
    """Status and body of the answer, over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        told = {"Content-Type": "application/json", **(headers or {})}
        connection.request("POST", path, body, told)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def set_up(port: int, project: str, config: str) -> str:
    """``/setup`` as Label Studio sends it: without it ``/predict`` is refused. The version."""
    body = {"project": project, "schema": config, "hostname": "", "access_token": ""}
    status, content = post(port, "/setup", orjson.dumps(body))
    assert status == 200, content[:500]
    return str(orjson.loads(content)["model_version"])


def trained(peer: Peer, project: str, config: str) -> str:
    """Train it once by a webhook, as people's answers do; the version that answers then."""
    event = {"action": "START_TRAINING", "project": {"id": 1, "label_config": config}}
    status, content = post(peer.port, "/webhook", orjson.dumps(event))
    assert status == 201, content[:500]
    job = orjson.loads(content)["job_id"]
    deadline = time.monotonic() + PATIENCE_S
    while not (peer.models / job / "job_result.json").exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"label-studio-ml did not train in {PATIENCE_S:g} s")
        time.sleep(0.1)
    return set_up(peer.port, project, config)
