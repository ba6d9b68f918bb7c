"""The people and programs around an installation: they go on, whatever is down at the moment."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
from sqlalchemy.exc import SQLAlchemyError

from backend.retraining import ask_visibly
from backend.store.job_requests import JobRequest, ask_for_job
from connectors.annotation_tool import AnnotationToolUnavailableError
from connectors.inference_client import InferenceClient, InferencesNotSentError
from policies.loading import parse_policy
from tests.end_to_end.stage import result_of, text_of
from tests.faults.oracle import Answer
from tests.faults.plant import Plant

_OUTAGE_S = 0.3  # before somebody whose program failed tries again
_BATCH = 4
VIEWS = {
    "Control": ("sen",),
    "Audit": ("sen",),
    "senior": ("sen",),
    "general": ("ann", "bob"),
}
# How often each is done; most of a working day is labelling.
A_DAY = {"label": 12, "send_inferences": 3, "import_tasks": 2, "ask_training": 1, "ask_job": 1}
_ASKED = ("agreement", "figures", "counts")
_DOWN = (httpx.TransportError, SQLAlchemyError, AnnotationToolUnavailableError)


class People:
    """Acts one after the other, in an order that the seed gives; ``acts`` says how often which."""

    def __init__(self, plant: Plant, seed: int, acts: Mapping[str, int]) -> None:
        self._plant = plant
        self._acts = acts
        self._rng = random.Random(seed)  # noqa: S311  # who does what next: nothing secret
        self._inferences = InferenceClient(
            plant.stage.settings.model_copy(update={"public_url": None}).own_url,
            plant.token,
            attempts=1,
            timeout_s=10,
        )
        self._unsent: list[str] = []
        self.outages = 0
        self.acts = 0

    def act(self) -> None:
        """Do the next thing; what is down now is left for later."""
        [name] = self._rng.choices(list(self._acts), weights=list(self._acts.values()))
        try:
            getattr(self, f"_{name}")()
            self.acts += 1
        except _DOWN:
            self.outages += 1
            time.sleep(_OUTAGE_S)  # a person looks at an error page for longer

    def settle(self) -> None:
        """Send what could not be sent so far, and close the line."""
        while len(self._inferences):
            self._send()
        self._inferences.__exit__(None, None, None)

    def _label(self) -> None:
        stage = self._plant.stage
        name = self._rng.choice([view for view in VIEWS if view in stage.project.views])
        waiting = stage.view(name)
        if waiting:
            self._answer(name, waiting[0])

    def _answer(self, view: str, task_id: int) -> None:
        stage, oracle = self._plant.stage, self._plant.oracle
        oracle.opened.add(task_id)
        seen = stage.client.get(f"/api/tasks/{task_id}/")
        if seen.status_code != httpx.codes.OK:
            return  # it is gone, or Label Studio is starting: the next look shows another
        task = seen.json()
        before = {each["completed_by"]["id"] for each in task["annotations"]}
        people = VIEWS[view]
        person = people[len(before) % len(people)]
        _, topic = text_of(task["data"]["place"])
        word = secrets.token_hex(5)
        result = [result_of(topic)[0] | {"id": word}]
        oracle.answers[word] = Answer(task_id, topic)
        said = stage.client.post(
            f"/api/tasks/{task_id}/annotations/",
            headers={"Authorization": f"Token {stage.tokens[person]}"},
            json={"result": result, "lead_time": 1.5},
        )
        if said.status_code == httpx.codes.CREATED:
            oracle.acknowledged_answers.add(word)
            stage.submitted.append(said.json()["id"])
        else:
            assert said.status_code >= 500, said.text

    def _import_tasks(self) -> None:
        stage, oracle = self._plant.stage, self._plant.oracle
        places = oracle.new_places(self._rng.randrange(1, 4))
        rows = [{"text": text_of(place)[0], "place": place} for place in places]
        said = stage.client.post(f"/api/projects/{stage.project_id}/import", json=rows)
        if said.status_code == httpx.codes.CREATED:
            oracle.acknowledged_places.update(places)
        else:
            assert said.status_code >= 500, said.text

    def _send_inferences(self) -> None:
        oracle = self._plant.oracle
        for place in oracle.new_places(_BATCH):
            text, topic = text_of(place)
            name = f"request-{place}"
            data = {"text": text, "place": place}
            oracle.inferences.add(name)
            self._unsent.append(name)
            self._inferences.add(name, topic, model_version="deployed-1", data=data, score=0.9)
        self._send()

    def _send(self) -> None:
        try:
            self._inferences.send()
        except InferencesNotSentError:  # the client keeps them, and sends the same once more
            self.outages += 1
            time.sleep(_OUTAGE_S)
        else:
            self._plant.oracle.acknowledged_inferences.update(self._unsent)
            self._unsent.clear()

    def _ask_training(self) -> None:
        stage = self._plant.stage
        project, runtime = stage.project, stage.runtime
        policy = parse_policy(project.policy_text)
        with runtime.sessions.begin() as session:
            asked = ask_visibly(session, project, policy, "asked for by the test", runtime.now())
        self._plant.oracle.trainings.add(asked.id)

    def _ask_job(self) -> None:
        ask_for(self._plant, self._rng.choice(_ASKED))


def ask_for(plant: Plant, job: str) -> None:
    """Ask for a job as the pages do."""
    runtime = plant.stage.runtime
    wanted = JobRequest(
        id=0,
        job=job,
        project_id=plant.stage.project_id,
        asked_by="sen",
        why="a test",
        asked_at=runtime.now(),
        taken_at=None,
        run_id=None,
    )
    with runtime.sessions.begin() as session:
        asked = ask_for_job(session, wanted)
    plant.oracle.jobs.add(asked.id)


@contextmanager
def at_work(plant: Plant, seed: int, acts: Mapping[str, int] = A_DAY) -> Iterator[People]:
    """People act, in a thread of their own, until the block ends; their errors are the test's."""
    people = People(plant, seed, acts)
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not stop.is_set():
                people.act()
        except BaseException as error:  # noqa: BLE001  # handed to the test's own thread
            errors.append(error)

    thread = threading.Thread(target=work, name="people")
    thread.start()
    try:
        yield people
    finally:
        stop.set()
        thread.join()
    assert errors == []
    people.settle()
