"""The worker process of a hosted class: it dies, hangs, rests and never outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest

from backend.hosting.host import Host
from backend.hosting.hosts import end_hosts, host_of
from backend.predictors.foreign.hosted import HostedSource
from connectors.model_servers.circuit import FAILURES_TO_OPEN, PAUSE_S, Circuit
from connectors.model_servers.server import ModelServerDownError
from tests.fakes.foreign_questions import LABEL_CONFIG, asked, rows
from tests.fakes.hosted import PATH, ROOT, hosting, model, source, spec_of
from tests.waiting import until

VERSION = {"ask": "version", "label_config": LABEL_CONFIG}
PATIENCE_S = 60.0
WHO = "the class hosted_classes:Letters"


def lives(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ended(hosted: HostedSource) -> bool:
    assert isinstance(hosted.host, Host)
    running = hosted.host._running
    return running is not None and running.process.poll() is not None


def pid_of(hosted: HostedSource) -> int:
    assert isinstance(hosted.host, Host)
    assert hosted.host.pid is not None
    return hosted.host.pid


def test_a_process_that_was_killed_at_rest_is_started_anew(tmp_path: Path) -> None:
    with source(tmp_path, model("Letters")) as letters:
        assert rows(letters.answers(asked(["a"]))) == [("A", 0.75, None)]
        killed = pid_of(letters)
        os.kill(killed, signal.SIGKILL)
        until(lambda: ended(letters), "it was not killed", every_s=0.02)
        assert rows(letters.answers(asked(["a"]))) == [("A", 0.75, None)]
        assert pid_of(letters) != killed


def test_a_process_that_is_killed_amid_a_question_costs_that_batch_alone(tmp_path: Path) -> None:
    with source(tmp_path, model("Letters", batch=1, timeout_s=PATIENCE_S)) as letters:
        assert letters.reported(LABEL_CONFIG)
        killed = pid_of(letters)
        threading.Timer(0.3, os.kill, (killed, signal.SIGKILL)).start()
        found = rows(letters.answers(asked(["a", "wait", "bee"])))
    told = f"{WHO} was killed, by somebody or by the system for want of memory; it is started anew"
    assert found == [("A", 0.75, None), (None, None, told), ("B", 0.75, None)]


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("end", "ended its process with code 7: see Labelgate's log"),
        (
            "crash",
            (
                "died of SIGSEGV, as some libraries do where LABELGATE_TRAIN_MEMORY_MB ends; it is "
                "started anew"
            ),
        ),
    ],
)
def test_a_process_that_ends_by_itself_says_how(tmp_path: Path, text: str, how: str) -> None:
    with source(tmp_path, model("Letters", batch=1)) as letters:
        found = rows(letters.answers(asked([text, "a"])))
    told = f"{WHO} {how}"
    assert found == [(None, None, told), ("A", 0.75, None)]


def test_one_that_does_not_answer_in_time_is_ended_and_then_left_alone(tmp_path: Path) -> None:
    now = [0.0]
    spec = spec_of(tmp_path, 7, model("Letters"))
    hosted = model("Letters", batch=1, timeout_s=0.3)
    with hosting(spec, circuit=Circuit(clock=lambda: now[0])) as host:
        letters = HostedSource(model=hosted, host=host, folder=spec.folder, project_id=7)
        found = rows(letters.answers(asked(["wait"] * (FAILURES_TO_OPEN + 1))))
        told = f"{WHO} did not answer within 0.3 s and was ended"
        assert [row[2] for row in found[:FAILURES_TO_OPEN]] == [told] * FAILURES_TO_OPEN
        assert f"{WHO} is not asked for now, after {FAILURES_TO_OPEN} failures in a row" in str(
            found[-1][2]
        )
        assert host.pid is None
        now[0] = PAUSE_S
        assert rows(letters.answers(asked(["a"]))) == [("A", 0.75, None)]


def test_what_a_class_started_ends_with_it(tmp_path: Path) -> None:
    with source(tmp_path, model("Letters")) as letters:
        assert rows(letters.answers(asked(["child"])))[0][0] == "B"
        host = pid_of(letters)
        children = Path(f"/proc/{host}/task/{host}/children").read_text().split()
        assert len(children) == 1
        os.kill(host, signal.SIGKILL)
        until(lambda: ended(letters), "it was not killed", every_s=0.02)
        assert lives(int(children[0]))
        assert rows(letters.answers(asked(["a"]))) == [("A", 0.75, None)]
        until(lambda: not lives(int(children[0])), "the child outlived it", every_s=0.02)


def test_it_ends_when_its_parent_was_killed_even_amid_a_question(tmp_path: Path) -> None:
    program = f"""
import sys, threading
from pathlib import Path
from tests.backend.hosting.test_host import VERSION
from tests.fakes.foreign_questions import LABEL_CONFIG, asked
from tests.fakes.hosted import model, source
with source(Path({str(tmp_path)!r}), model("Letters", timeout_s=600)) as letters:
    letters.reported(LABEL_CONFIG)
    print(letters.host.pid, flush=True)
    letters.answers(asked(["wait"]))
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": PATH},
        cwd=ROOT,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert lives(pid)
    parent.kill()
    parent.communicate(timeout=30)
    until(lambda: not lives(pid), "the host outlived its parent", every_s=0.02)


def test_one_that_rests_long_gives_its_memory_back(tmp_path: Path) -> None:
    spec = replace(spec_of(tmp_path, 7, model("Letters")), idle_s=0.2)
    with hosting(spec) as host:
        assert host.ask(VERSION, PATIENCE_S) == "Letters-v0.0.1"
        first = host.pid
        assert first is not None
        until(lambda: not lives(first), "it did not end", every_s=0.02)
        assert host.ask(VERSION, PATIENCE_S) == "Letters-v0.0.1"
        assert host.circuit.state.failures == 0


def test_a_question_waits_no_longer_for_another_than_it_may(tmp_path: Path) -> None:
    with hosting(spec_of(tmp_path, 7, model("Letters"))) as host:
        assert host.ask(VERSION, PATIENCE_S)
        task = {"id": 1, "data": {"text": "wait"}, "annotations": []}
        waiting = {"ask": "predict", "label_config": LABEL_CONFIG, "tasks": [task]}
        problems: list[str] = []

        def ask() -> None:
            with pytest.raises(ModelServerDownError) as caught:
                host.ask(waiting, PATIENCE_S)
            problems.append(str(caught.value))

        asking = threading.Thread(target=ask)
        asking.start()
        until(host._lock.locked, "nothing was asked", every_s=0.02)
        with pytest.raises(ModelServerDownError, match=r"was busy with other questions for 0.1 s"):
            host.ask(VERSION, 0.1)
        host.close()
        asking.join(PATIENCE_S)
        assert problems
        with pytest.raises(ModelServerDownError, match="is not hosted any more"):
            host.ask(VERSION, 1)


def test_many_threads_get_each_its_own_answer(tmp_path: Path) -> None:
    texts = ["an a", "bee"] * 8
    with source(tmp_path, model("Letters", timeout_s=PATIENCE_S)) as letters:
        with ThreadPoolExecutor(max_workers=8) as pool:
            found = list(pool.map(lambda text: rows(letters.answers(asked([text]))), texts))
        assert found == [[("A", 0.75, None)], [("B", 0.75, None)]] * 8


def test_an_asker_that_is_told_to_stop_leaves_no_answer_behind(tmp_path: Path) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with source(tmp_path, model("Letters", timeout_s=PATIENCE_S)) as letters:
        assert letters.reported(LABEL_CONFIG)
        assert isinstance(letters.host, Host)
        before = signal.signal(signal.SIGALRM, stop)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            with pytest.raises(KeyboardInterrupt):
                letters.answers(asked(["wait"]))
        finally:
            signal.signal(signal.SIGALRM, before)
        assert letters.host.pid is None
        assert rows(letters.answers(asked(["a"]))) == [("A", 0.75, None)]


def test_what_it_loads_when_it_is_made_is_not_the_first_batchs_time(tmp_path: Path) -> None:
    with source(tmp_path, model("Slow", timeout_s=0.5)) as slow:
        assert rows(slow.answers(asked(["a", "b"]))) == [("B", 0.5, None)] * 2


def test_a_start_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with (
        hosting(spec_of(tmp_path, 7, model("Letters")), start_s=0.01) as host,
        pytest.raises(ModelServerDownError, match=r"did not answer within 0.01 s and was ended"),
    ):
        host.ask(VERSION, PATIENCE_S)


def test_one_that_needs_too_much_memory_says_so(tmp_path: Path) -> None:
    spec = replace(spec_of(tmp_path, 7, model("Hungry")), memory_mb=1_000)
    with (
        hosting(spec) as host,
        pytest.raises(ModelServerDownError, match="LABELGATE_TRAIN_MEMORY_MB"),
    ):
        host.ask(VERSION, PATIENCE_S)


def test_whoever_asks_in_one_process_asks_the_same_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(tmp_path, 7, model("Letters"))
    changed = spec_of(tmp_path, 7, model("Letters", params={"score": 0.5}))
    try:
        first = host_of(spec, "own")
        monkeypatch.setenv("SET_BY_A_LIBRARY", "1")
        assert host_of(spec_of(tmp_path, 7, model("Letters")), "own") is first
        assert host_of(spec_of(tmp_path, 8, model("Letters")), "own") is not first
        assert first.ask(VERSION, PATIENCE_S) == "Letters-v0.0.1"
        assert isinstance(first, Host)
        pid = first.pid
        assert pid is not None
        trained = spec_of(tmp_path, 7, model("Letters", train=True))
        assert (trained == spec, changed == spec) == (False, False)
        assert host_of(changed, "own") is not first
        assert not lives(pid)
    finally:
        end_hosts()
