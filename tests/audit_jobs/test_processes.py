"""How the death of a process apart is told."""

from __future__ import annotations

import pytest

from audit_jobs.processes import _how


@pytest.mark.parametrize(
    ("code", "tail", "says"),
    [
        (2, "Error: no project", "ended with code 2: Error: no project"),
        (1, "", "ended with code 1: it said nothing"),
        (-9, "half", "was killed, by somebody or by the system for want of memory: half"),
        (-11, "", "died of SIGSEGV; some libraries do where memory ends, and it may take 900 MB"),
        (-250, "", "died of signal 250: it said nothing"),
        (-10, "", "died of SIGUSR1: it said nothing"),
    ],
)
def test_a_death_is_told_in_words(code: int, tail: str, says: str) -> None:
    assert _how(code, tail, 900).startswith(says)


@pytest.mark.parametrize(
    "tail",
    [
        "Traceback\nnumpy._core._exceptions._ArrayMemoryError: Unable to allocate 2 GiB",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "ImportError: x.so: failed to map segment from shared object",
        "OSError: [Errno 12] Cannot allocate memory",
    ],
)
def test_want_of_memory_is_known_by_its_words(tail: str) -> None:
    told = _how(1, tail, 900)
    assert told.startswith("needed more than 900 MB of memory: set LABELGATE_TRAIN_MEMORY_MB")
    assert tail.splitlines()[-1] in told
    assert _how(1, tail, None).startswith("ended with code 1")
