"""A deployed model is watched: what it answers comes in, people verify a sample, decay is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
from sqlalchemy import select

from backend.store.alerts import open_alerts
from backend.store.inference_tables import InferenceRow
from backend.store.ledger_check import verify_ledger
from backend.store.reports import MONITORING, newest_report
from backend.store.votes import count_human_labels
from connectors.inference_client import InferenceClient
from policies.domain import Purpose
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.stage import WORDS, Stage, make_stage, text_of
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

SHARE = 0.3
MONTH = timedelta(days=30)
GOOD, ROTTEN = 20, 2  # of so many answers one is wrong
ANSWERS = 160  # a month
DEPLOYED = "topics-3"


def test_a_deployed_model_that_decays_is_found_out(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    with make_stage(label_studio, tmp_path, 1) as stage:
        policy = write_policy(stage, tmp_path / "policy.yaml")
        with stage.running("serve", tmp_path / "serve.log"):
            until(stage.healthy, "labelgate serve answers")
            number = str(stage.project_id)
            stage.command("connect", "--project", number, "--policy", str(policy))
            now = datetime.now(UTC)
            first = answers_of(range(ANSWERS), GOOD, now - 3 * MONTH)
            sent_twice_and_stored_once(stage, first)
            second = answers_of(range(ANSWERS, 2 * ANSWERS), GOOD, now - 2 * MONTH)
            come_in_a_file(stage, tmp_path / "february.jsonl", second)
            placed = all_looked_at(stage, 2 * ANSWERS)
            they_are_blind_tasks(stage, placed)
            people_verify(stage, placed)
            report = until(lambda: verified(stage, len(placed)), "all answers are measured")
            accuracy_is_that_of_the_sample(report, placed, [*first, *second])
            assert "production_decay" not in alerts(stage)

            third = answers_of(range(2 * ANSWERS, 3 * ANSWERS), ROTTEN, now - MONTH)
            sent(stage, third)
            later = all_looked_at(stage, 3 * ANSWERS)
            people_verify(stage, {each: later[each] for each in later.keys() - placed.keys()})
            until(lambda: "production_decay" in alerts(stage), "the decay is told")
            it_stands_everywhere(stage)
            stage.command("ledger", "verify")
        assert "Traceback" not in (tmp_path / "serve.log").read_text("utf-8")
        with stage.runtime.reads() as session:
            assert verify_ledger(session, stage.project_id).broken_seq is None


def write_policy(stage: Stage, file: Path) -> Path:
    """Nothing is trained: the model that answers is deployed elsewhere."""
    rules = f"""\
auto_accept: never
control: {{share: 0.05, tier: senior}}
holdout: {{share: 0.05, tier: senior}}
agreement: {{share: 0}}
monitoring: {{share: {SHARE}, tier: general, each_class: 0, mask: [name], baseline: 0.95}}
retrain: {{after_annotations: 1000, minimum_labels: 1000}}
"""
    return write_rules(stage, file, rules, capacity=500)


def answers_of(places: Sequence[int], wrong_of: int, since: datetime) -> list[dict[str, Any]]:
    """What the model answered to these texts, over a month; one of ``wrong_of`` is wrong."""
    found = []
    for place in places:
        text, topic = text_of(place)
        others = [other for other in WORDS if other != topic]
        at = since + (place % ANSWERS) * MONTH / ANSWERS
        found.append(
            {
                "id": f"request-{place}",
                "data": {"text": text, "name": f"person {place}"},
                "predicted": others[place % 2] if place % wrong_of == 0 else topic,
                "score": 0.9,
                "model_version": DEPLOYED,
                "at": at.isoformat(),
            }
        )
    return found


def sent(stage: Stage, answers: Sequence[dict[str, Any]]) -> None:
    """By the client, as the program that runs the model would."""
    token = stage.command("inferences", "token", "--project", str(stage.project_id)).strip()
    with InferenceClient(stage.settings.own_url, token, batch=100) as client:
        for each in answers:
            client.add(
                each["id"],
                each["predicted"],
                model_version=each["model_version"],
                data=each["data"],
                score=each["score"],
                at=datetime.fromisoformat(each["at"]),
            )


def sent_twice_and_stored_once(stage: Stage, answers: Sequence[dict[str, Any]]) -> None:
    sent(stage, answers)
    sent(stage, answers)
    assert len(rows(stage)) == len(answers)
    assert len({row.data["name"] for row in rows(stage) if row.data}) == 1
    strange = httpx.post(
        f"{stage.settings.own_url}/v1/inferences",
        headers={"Authorization": "Bearer nobody"},
        json={"inferences": []},
        timeout=30,
    )
    assert strange.status_code == 401


def come_in_a_file(stage: Stage, file: Path, answers: Sequence[dict[str, Any]]) -> None:
    file.write_bytes(b"\n".join(map(orjson.dumps, answers)))
    project = ("--project", str(stage.project_id))
    said = orjson.loads(stage.command("inferences", "import", str(file), *project, "--json"))
    assert said["stored"] == len(answers)


def rows(stage: Stage) -> list[InferenceRow]:
    with stage.runtime.reads() as session:
        here = InferenceRow.project_id == stage.project_id
        return list(session.scalars(select(InferenceRow).where(here).order_by(InferenceRow.id)))


def all_looked_at(stage: Stage, count: int) -> dict[int, InferenceRow]:
    """The tasks that were made of answers, once each of them was looked at and decided."""

    def placed() -> dict[int, InferenceRow] | None:
        found = rows(stage)
        if len(found) < count or {row.state for row in found} != {"passed", "placed"}:
            return None
        tasks = {row.task_id: row for row in found if row.task_id is not None}
        return tasks if tasks.keys() <= stage.decisions().keys() else None

    found = until(placed, "what was drawn has become tasks")
    assert 0.2 < len(found) / count < 0.4  # a share of 0.3
    return found


def they_are_blind_tasks(stage: Stage, placed: dict[int, InferenceRow]) -> None:
    decisions = stage.decisions()
    purposes = {decisions[task_id].purpose for task_id in placed}
    assert purposes == {Purpose.MONITORING, Purpose.CONTROL, Purpose.HOLDOUT}
    monitored = [decisions[e] for e in placed if decisions[e].purpose is Purpose.MONITORING]
    assert {each.tier for each in monitored} == {"general"}
    assert {each.inclusion_probability for each in monitored} == {SHARE}
    wanted = {each.task_id for each in monitored}
    until(lambda: wanted <= set(stage.view("general")), "all are queued")
    for task in stage.tasks():
        if task["id"] not in placed:
            continue
        shown = [each for each in task["predictions"] if each["result"]]
        assert shown == []
        assert placed[task["id"]].inference_id in str(task["data"])
        assert "person" not in str(task["data"])
    ids = [str(task["data"]) for task in stage.tasks()]
    assert len(ids) == len(set(ids))


def people_verify(stage: Stage, placed: dict[int, InferenceRow]) -> None:
    """Everybody says the truth; those in the slices are the senior's."""
    decisions = stage.decisions()
    with stage.runtime.reads() as session:
        before = count_human_labels(session, stage.project_id)
    for task_id, row in placed.items():
        monitored = decisions[task_id].purpose is Purpose.MONITORING
        _, topic = text_of(int(row.inference_id.removeprefix("request-")))
        stage.label("ann" if monitored else "sen", task_id, topic)

    def read() -> bool:
        with stage.runtime.reads() as session:
            return count_human_labels(session, stage.project_id) == before + len(placed)

    until(read, "the answers are read")


def verified(stage: Stage, count: int) -> dict[str, Any] | None:
    with stage.runtime.reads() as session:
        report = newest_report(session, stage.project_id, MONITORING)
    return None if report is None or report.body["verified"] != count else report.body


def accuracy_is_that_of_the_sample(
    report: dict[str, Any],
    placed: dict[int, InferenceRow],
    answers: Sequence[dict[str, Any]],
) -> None:
    right = [
        row.predicted == text_of(int(row.inference_id.removeprefix("request-")))[1]
        for row in placed.values()
    ]
    accuracy = report["accuracy"]
    assert abs(accuracy["value"] - sum(right) / len(right)) < 1e-9  # equal chances
    assert accuracy["low"] < 1 - 1 / GOOD < accuracy["high"]
    assert report["answers"] == len(answers)
    assert sum(point["answers"] for point in report["curve"] if point["model_version"]) == len(
        answers
    )


def alerts(stage: Stage) -> set[str]:
    with stage.runtime.reads() as session:
        return {name for name, _ in open_alerts(session, stage.project_id)}


def it_stands_everywhere(stage: Stage) -> None:
    project = ("--project", str(stage.project_id))
    said = orjson.loads(stage.command("inferences", "report", *project, "--json"))
    assert said["decay"][DEPLOYED]["alarm"] is True

    page = httpx.get(f"{stage.settings.own_url}/projects/{stage.project_id}", timeout=30).text
    assert "Accuracy in production" in page
    assert "<svg" in page
    assert DEPLOYED in page
    assert "Traceback" not in page

    gauge = f'labelgate_production_decay{{project="{stage.project_id}",version="{DEPLOYED}"}} 1'
    assert gauge in stage.metrics()
