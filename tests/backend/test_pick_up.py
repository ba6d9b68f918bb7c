"""Several serving processes and a promotion: all follow within two seconds, none mixes versions."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.backend.test_web_server import started
from tests.fakes.web_project import PROJECT, WebProject, task, web_project
from tests.waiting import until

LIMIT_S = 2.0
PROMOTIONS = 3


@dataclass
class Heard:
    """What one client heard from one server: (when it was answered, the version)."""

    answers: list[tuple[float, str]] = field(default_factory=list)
    mixed: list[Any] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    slowest_s: float = 0.0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[WebProject, list[str]]]:
    """Two real servers on one database, with a first version."""
    project = web_project(tmp_path)
    project.connect()
    project.promote("v1")
    with ExitStack() as servers:
        yield project, [servers.enter_context(started(tmp_path)).url for _ in range(2)]


def ask(client: httpx.Client) -> tuple[str, set[str]]:
    """The version that an answer names, and those that its predictions name."""
    body = {"project": PROJECT, "tasks": [task(number, "AB"[number % 2]) for number in range(1, 6)]}
    response = client.post("/predict", json=body)
    response.raise_for_status()
    answer = response.json()
    named = {each["model_version"] for result in answer["results"] for each in _all(result)}
    return answer["model_version"], named


def _all(result: Any) -> list[Any]:
    return result if isinstance(result, list) else [result]


def hammer(url: str, heard: Heard, stop: threading.Event) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        while not stop.is_set():
            begun = time.monotonic()
            try:
                version, named = ask(client)
            except Exception as error:  # noqa: BLE001  # the test's own thread asserts that none is
                heard.errors.append(error)
                return
            heard.slowest_s = max(heard.slowest_s, time.monotonic() - begun)
            heard.answers.append((begun, version))
            if named - {version}:
                heard.mixed.append((version, named))


def last_old(heard: Sequence[Heard], new: str, since: float) -> float:
    """How long after a promotion a request was begun that an old version answered."""
    late = [
        begun - since
        for each in heard
        for begun, version in each.answers
        if int(version[1:]) < int(new[1:])
    ]
    return max(late, default=0.0)


def test_all_servers_follow_a_promotion_within_two_seconds_under_load(
    served: tuple[WebProject, list[str]],
) -> None:
    project, urls = served
    stop = threading.Event()
    heard = [Heard() for _ in range(4)]  # two clients a server
    clients = [
        threading.Thread(target=hammer, args=(urls[place % 2], each, stop))
        for place, each in enumerate(heard)
    ]
    for client in clients:
        client.start()
    until(lambda: all(each.answers for each in heard), "the first answers", every_s=0.01)
    delays = []
    for number in range(2, 2 + PROMOTIONS):
        version = f"v{number}"
        project.promote(version)
        promoted = time.monotonic()
        until(lambda: all(each.answers[-1][1] == version for each in heard), version, every_s=0.01)  # noqa: B023
        delays.append(last_old(heard, version, promoted))
    stop.set()
    for client in clients:
        client.join()
    print(f"the last request that an old version answered: {delays} s after the promotion")
    assert [each.errors for each in heard] == [[]] * 4
    assert [each.mixed for each in heard] == [[]] * 4
    assert max(delays) < LIMIT_S
    for each in heard:  # no server ever went back
        versions = [int(version[1:]) for _, version in each.answers]
        assert versions == sorted(versions)


def test_a_server_that_nobody_asked_for_a_while_does_not_answer_by_an_old_version(
    served: tuple[WebProject, list[str]],
) -> None:
    project, urls = served
    for url in urls:
        with httpx.Client(base_url=url, timeout=60) as client:
            assert ask(client)[0] == "v1"
    project.promote("v2")
    time.sleep(LIMIT_S)  # the promise is about time
    for url in urls:
        with httpx.Client(base_url=url, timeout=60) as client:
            assert ask(client) == ("v2", {"v2"})
