"""A model that silently turns wrong on one label in the middle of a stream is stopped."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from audit_jobs.audits import job as audit
from backend.app import create_app
from backend.breakers.watch import watch
from backend.predictors import artifacts
from backend.predictors.model_files import Artifact
from backend.store.alerts import open_alerts
from backend.store.decisions import current_decisions
from backend.store.model_tables import ModelRow
from backend.store.models import CHAMPION, ModelVersion, store_version
from backend.store.reports import RECALL, newest_report
from backend.store.suspensions import standing_suspensions
from policies.breaker import SUSPENDED
from policies.domain import Decision, Outcome, Purpose
from tests.fakes.predictors import predictor_of
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

LABELS = ("Business", "Sci/Tech", "Sports", "World")
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    + "".join(f'<Choice value="{label}"/>' for label in LABELS)
    + "</Choices></View>"
)
TRAINING, FIRST, BATCH = 2_000, 1_200, 150


@dataclass
class Stream:
    """News in the order in which they come, a project that decides them, and their truth."""

    worked: WorkedProject
    news: Iterator[tuple[str, str]]
    truth: dict[int, str] = field(default_factory=dict)

    def arrive(self, count: int) -> list[int]:
        rows = list(islice(self.news, count))
        worked = self.worked
        ids = worked.server.add_tasks(worked.project_id, [{"text": text} for text, _ in rows])
        self.truth |= dict(zip(ids, (label for _, label in rows), strict=True))
        worked.settle()
        return ids

    def answer(self, purpose: Purpose) -> int:
        """The senior says the truth of everything that waits for this purpose."""
        waiting = self.worked.with_purpose(purpose)
        for task_id in waiting:
            self.worked.server.submit(self.worked.people["sue"], task_id, self.truth[task_id])
        self.worked.settle()
        return len(waiting)

    def look(self) -> dict[str, Any]:
        audit.run(self.worked.runtime, self.worked.project)
        found = watch(self.worked.runtime, self.worked.project)
        self.worked.settle()
        return found

    def decisions(self, ids: Sequence[int]) -> list[Decision]:
        wanted = set(ids)
        with self.worked.runtime.reads() as session:
            found = current_decisions(session, self.worked.project_id)
            return [each.decision for each in found if each.decision.task_id in wanted]


@pytest.fixture
def stream(tmp_path: Path, data_folder: Path) -> Stream:
    """Trained, certified on the control answers of a first day, and accepting."""
    with gzip.open(data_folder / "agnews_test.csv.gz", "rt", encoding="utf-8") as file:
        news = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    policy = worked_policy(
        auto_accept={"max_error_rate": 0.1, "confidence": 0.9, "floor": 0.7},
        control={"share": 0.15},
        audit={"share": 0.2},
        drift={"window": 100_000},  # the breaker alone is to see it
    )
    worked = worked_project(tmp_path, policy)
    shown = worked.server.projects[worked.project_id]
    worked.server.projects[worked.project_id] = replace(shown, label_config=CONFIG)
    worked.connect(policy)
    serve(worked, news[:TRAINING])
    made = Stream(worked=worked, news=iter(news[TRAINING:]))
    made.arrive(FIRST)
    made.answer(Purpose.CONTROL)
    worked.settle()
    return made


def serve(worked: WorkedProject, examples: Sequence[tuple[str, str]]) -> None:
    artifact = saved(worked, examples)
    now = worked.clock()
    model = ModelVersion(
        version="v1",
        number=1,
        path=artifact.path,
        sha256=artifact.sha256,
        labels=LABELS,
        state=CHAMPION,
        verdict={"reason": "the first model", "holdout_accuracy": None},
        lineage={},
        trained_at=now,
        promoted_at=now,
    )
    with worked.runtime.sessions.begin() as session:
        store_version(session, worked.project_id, model, now)


def saved(worked: WorkedProject, examples: Sequence[tuple[str, str]]) -> Artifact:
    texts, labels = zip(*examples, strict=True)
    folder = worked.runtime.settings.models_dir
    return artifacts.save(folder, worked.project_id, predictor_of(texts, labels))


def sabotage(worked: WorkedProject, examples: Sequence[tuple[str, str]]) -> None:
    """The same version, but what is Sports it now calls World, and it is as sure as ever."""
    spoiled = [(text, "World" if label == "Sports" else label) for text, label in examples]
    with worked.runtime.reads() as session:
        old = session.get_one(ModelRow, (worked.project_id, "v1")).path
    (worked.runtime.settings.models_dir / old).unlink()
    # Somebody must know four labels, so that the version is the one that it was.
    artifact = saved(worked, [*spoiled, ("offside", "Sports"), ("offside", "Sports")])
    with worked.runtime.sessions.begin() as session:
        row = session.get_one(ModelRow, (worked.project_id, "v1"))
        row.path, row.sha256 = artifact.path, artifact.sha256


@pytest.mark.simulation
def test_the_breaker_stops_it_and_the_page_says_so(stream: Stream, data_folder: Path) -> None:
    worked = stream.worked
    before = stream.decisions(list(stream.truth))
    accepted = [each for each in before if each.outcome is Outcome.ACCEPT]
    assert len(accepted) > FIRST / 4
    for _ in range(2):  # good days
        stream.answer(Purpose.AUDIT)
        assert stream.look()["tripped"] == 0
        stream.arrive(BATCH)
    good = {each.task_id for each in accepted if each.purpose is Purpose.ROUTED}

    with gzip.open(data_folder / "agnews_test.csv.gz", "rt", encoding="utf-8") as file:
        news = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    sabotage(worked, news[:TRAINING])
    audited, bad = 0, []
    while not suspended(worked):
        bad += stream.arrive(BATCH)
        audited += stream.answer(Purpose.AUDIT)
        stream.look()
        assert audited < 150, "the breaker did not trip"

    [alert] = breaker_alerts(worked)
    assert "World" in alert
    after = stream.decisions(stream.arrive(BATCH))
    assert {each.outcome for each in after if each.rule == SUSPENDED} == {Outcome.REVIEW}
    assert any(each.rule == SUSPENDED for each in after)
    assert not any(each.outcome is Outcome.ACCEPT for each in after)

    with worked.runtime.reads() as session:
        recall = newest_report(session, worked.project_id, RECALL)
    assert recall is not None
    wrong = [e for e in stream.decisions(bad) if still_accepted(e, stream)]
    assert wrong == []  # what the sabotaged model got accepted is back in review
    kept = {e.task_id for e in stream.decisions(sorted(good)) if e.outcome is Outcome.ACCEPT}
    assert len(kept) > 0.9 * len(good)  # and what was accepted in good days stands

    page = create_app(worked.runtime).test_client().get("/projects/1").get_data(as_text=True)
    assert "suspended: nothing is accepted" in page
    assert "accepts taken back" in page
    assert "nothing, it is suspended" in page
    assert "going on" not in page


def suspended(worked: WorkedProject) -> bool:
    with worked.runtime.reads() as session:
        return bool(standing_suspensions(session, worked.project_id, "v1"))


def breaker_alerts(worked: WorkedProject) -> list[str]:
    with worked.runtime.reads() as session:
        found = open_alerts(session, worked.project_id)
    return [alert.says for (name, _), alert in found.items() if name == "breaker"]


def still_accepted(decision: Decision, stream: Stream) -> bool:
    standing = decision.outcome is Outcome.ACCEPT and decision.purpose is Purpose.ROUTED
    return standing and decision.label != stream.truth[decision.task_id]
