"""``/predict`` of 1 and of 1,000 tasks by ``labelgate web``, against a bare Flask route.

Both are real server processes with the same model and the same answers, asked in turn over kept
connections; the figures are ratios of medians. Run: ``python -m benchmarks.predict``.
"""

from __future__ import annotations

import http.client
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from backend.bootstrap import build_runtime
from backend.predictors import artifacts
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.model_files import Artifact
from backend.predictors.protocol import Examples
from backend.predictors.trainable import Lesson, fit_control
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.certificates import store_certification
from backend.store.models import store_version
from backend.store.projects import ConnectedProject, store_policy, store_project
from benchmarks.processes import Server, running
from benchmarks.results import at_most, finish, is_quick
from benchmarks.stage import champion
from connectors.label_studio.labeling import parse_labeling
from connectors.loopback import free_port
from policies.domain import Certificate, Certification, Estimate
from policies.loading import parse_policy, policy_hash

LIMITS = {1: 2.0, 1_000: 1.5}
ROUNDS = {1: 600, 1_000: 60}
REPEATS = 5
PROJECT = 1
VERSION = "v1"
LABELS = tuple(f"topic {number}" for number in range(10))
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    + "".join(f'<Choice value="{label}"/>' for label in LABELS)
    + "</Choices></View>"
)
POLICY = """
project: 1
stakes: low
tiers:
  - {name: general, reviewers: [a@x.org, b@x.org], cost_per_label: 0.1, daily_capacity: 100}
  - {name: senior, reviewers: [c@x.org], cost_per_label: 1.0, daily_capacity: 20}
routes:
  - {kind: predicted_label, in: [topic 3], tier: senior}
auto_accept: {max_error_rate: 0.05, confidence: 0.95}
"""


def text(seed: int) -> tuple[str, str]:
    """A text of about 100 characters, half of it words of its topic, and that topic."""
    rng = np.random.default_rng(seed)
    topic = LABELS[rng.integers(len(LABELS))]
    words = [
        f"word{number}{topic[-1] if own else ''}"
        for number, own in zip(rng.integers(200, size=14), rng.random(14) < 0.5, strict=True)
    ]
    return " ".join(words), topic


def trained_model() -> EmbeddedPredictor:
    """A model of the ten topics, of 2,000 texts."""
    shown, topics = zip(*[text(10_000_000 + row) for row in range(2_000)], strict=True)
    (control,) = parse_labeling(CONFIG).controls
    trained = fit_control(control, Examples.alike(shown, topics), Lesson(seed=1))
    return EmbeddedPredictor(version=VERSION, controls={control.name: trained})


def store_project_with_model(
    runtime: Runtime, model: EmbeddedPredictor, project_id: int = PROJECT
) -> Artifact:
    """A connected project with a policy in force, a serving model and its certificate."""
    now = datetime.now(UTC)
    artifact = artifacts.save(runtime.settings.models_dir, project_id, model)
    digest = policy_hash(parse_policy(POLICY))
    with runtime.sessions.begin() as session:
        store_policy(session, digest, POLICY, now)
        store_project(session, project(digest, project_id), now)
        version = champion(VERSION, model.labels, now, artifact)
        store_version(session, project_id, version, now)
        store_certification(session, project_id, certification(), digest, now)
    return artifact


def store_project_without_model(runtime: Runtime, project_id: int, config: str) -> None:
    """A connected project of another config, whose model is still to come."""
    now, digest = datetime.now(UTC), policy_hash(parse_policy(POLICY))
    with runtime.sessions.begin() as session:
        store_policy(session, digest, POLICY, now)
        store_project(session, replace(project(digest, project_id), label_config=config), now)


def project(digest: str, project_id: int) -> ConnectedProject:
    """The connected project."""
    return ConnectedProject(
        id=project_id,
        title="benchmark",
        label_config=CONFIG,
        policy_text=POLICY,
        policy_hash=digest,
        robot_id=2,
        views={},
        ml_backend_id=None,
        webhook_id=None,
        previous_settings={},
        last_task_id=0,
        synced_until=None,
    )


def certification() -> Certification:
    """A threshold in force, so that the policy is walked to its end."""
    certificate = Certificate(
        model_version=VERSION,
        max_error_rate=0.05,
        confidence=0.95,
        threshold=0.8,
        accepted_share=0.5,
        error=Estimate(value=0.02, low=0.0, high=0.04, n=300),
        errors=6,
        control_answers=600,
        grid=(0.9, 0.8),
        labels_needed=None,
    )
    return Certification(model_version=VERSION, certificates=(certificate,))


def request_body(task_ids: list[int]) -> bytes:
    """What Label Studio 1.23.2 sends for unlabelled tasks."""
    tasks: list[dict[str, Any]] = [
        {
            "id": task_id,
            "data": {"text": text(task_id)[0]},
            "meta": {},
            "created_at": "2026-11-22T14:38:17.964258Z",
            "updated_at": "2026-11-22T14:38:17.964284Z",
            "is_labeled": False,
            "overlap": 1,
            "inner_id": task_id,
            "total_annotations": 0,
            "cancelled_annotations": 0,
            "total_predictions": 0,
            "comment_count": 0,
            "unresolved_comment_count": 0,
            "last_comment_updated_at": None,
            "project": PROJECT,
            "updated_by": None,
            "file_upload": None,
            "comment_authors": [],
            "annotations": [],
            "predictions": [],
        }
        for task_id in task_ids
    ]
    params = {"login": None, "password": None, "context": None}
    return orjson.dumps(
        {
            "tasks": tasks,
            "project": f"{PROJECT}.1795358297",
            "label_config": CONFIG,
            "params": params,
        }
    )


def post(connection: http.client.HTTPConnection, body: bytes) -> dict[str, Any]:
    """The answer to one ``/predict``."""
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content[:500]
    answer: dict[str, Any] = orjson.loads(content)
    return answer


def seconds(connection: http.client.HTTPConnection, body: bytes) -> float:
    """From the first byte sent to the last byte read; the answer is not parsed."""
    started = time.perf_counter()
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    connection.getresponse().read()
    return time.perf_counter() - started


def shown_tasks(labelgate: http.client.HTTPConnection, wanted: int) -> list[int]:
    """Tasks whose answer is shown: blind ones get none, which would be less work, not the same."""
    candidates = list(range(1, 2 * wanted + 20))
    results = post(labelgate, request_body(candidates))["results"]
    shown = [task for task, result in zip(candidates, results, strict=True) if result]
    return shown[:wanted]


def compare(bare: Server, labelgate: Server, batch: int) -> tuple[float, float]:
    """Measure one batch size, print its line; Labelgate's median in seconds and the bare one's."""
    one = http.client.HTTPConnection("127.0.0.1", bare.port)
    two = http.client.HTTPConnection("127.0.0.1", labelgate.port)
    body = request_body(shown_tasks(two, batch))
    assert post(one, body) == post(two, body), "both must give the same answer"
    times: dict[str, list[float]] = {bare.name: [], labelgate.name: []}
    for round_number in range(ROUNDS[batch] // (10 if is_quick() else 1)):
        order = [(bare, one), (labelgate, two)]
        for server, connection in order if round_number % 2 else reversed(order):
            times[server.name].append(seconds(connection, body))
    peer = statistics.median(times[bare.name][2:])
    own = statistics.median(times[labelgate.name][2:])
    print(
        f"{batch:>5} tasks: bare {peer * 1000:8.2f} ms, labelgate {own * 1000:8.2f} ms, "
        f"ratio {own / peer:.2f}",
        flush=True,
    )
    return own, peer


def main() -> None:
    """Start both, measure in turn, stop both; exit code 1 where a median exceeds its limit."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        settings = Settings(data_dir=Path(name))
        runtime = build_runtime(settings)
        artifact = store_project_with_model(runtime, trained_model())
        runtime.sessions.kw["bind"].dispose()
        bare_port = free_port()
        model = [str(settings.models_dir), artifact.path, artifact.sha256, VERSION, CONFIG]
        bare_command = ["-m", "benchmarks.bare_predict", str(bare_port), str(settings.web_threads)]
        folder = Path(name)
        bare = stack.enter_context(running("bare", bare_port, [*bare_command, *model], folder))
        port = free_port()
        labelgate = stack.enter_context(
            running("labelgate", port, ["-m", "labelgate", "web"], folder)
        )
        measured: dict[int, list[tuple[float, float]]] = {batch: [] for batch in LIMITS}
        for _ in range(REPEATS):
            for batch, found in measured.items():
                found.append(compare(bare, labelgate, batch))
    rows = []
    for batch, limit in LIMITS.items():
        columns = zip(*measured[batch], strict=True)
        own_ms, bare_ms = (1e3 * statistics.median(side) for side in columns)
        rows.append(
            at_most(
                f"{batch:,} tasks a request",
                figure=f"{own_ms:.2f} ms",
                peer=f"bare Flask route {bare_ms:.2f} ms",
                ratio=statistics.median(found[0] / found[1] for found in measured[batch]),
                limit=limit,
            )
        )
    finish(rows)


if __name__ == "__main__":
    main()
