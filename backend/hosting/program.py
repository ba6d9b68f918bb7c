"""The worker process of a hosted class: ``python -m backend.hosting.program``.

It is told on its standard input what to host, then one question a line, and answers each with one
line. It ends with its input: when its parent is gone, however that went, even amid a question.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any

from backend.commands.attached import limit_memory
from backend.hosting.hosted_class import HostedClass, Wanted
from connectors.model_servers.server import ModelServerDownError, ModelServerError

_Lines = queue.SimpleQueue[bytes]


def answer_to(hosted: HostedClass, question: Mapping[str, Any]) -> str:
    """The answer to a question as one line of JSON: ``said``, ``refused`` or ``unable``."""
    try:
        return f'{{"said": {_said(hosted, question)}}}'
    except ModelServerDownError as error:
        return json.dumps({"unable": str(error)})
    except ModelServerError as error:
        return json.dumps({"refused": str(error)})


def _said(hosted: HostedClass, question: Mapping[str, Any]) -> str:
    config = question["label_config"]
    match question["ask"]:
        case "version":
            return json.dumps(hosted.version(config))
        case "predict":
            return hosted.predict(config, question["tasks"])
        case "fit":
            hosted.fit(config, question["held_out"])
            return "null"
        case other:
            raise ValueError(f"no such question: {other}")


def main() -> None:
    """Host what the first line names, until the input ends or no question came for long."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    questions, answers = _own_pipes()
    told = json.loads(questions.readline())
    if told["memory_mb"] is not None:
        limit_memory(told["memory_mb"])
    lines: _Lines = queue.SimpleQueue()
    threading.Thread(target=_read, args=(questions, lines), name="questions", daemon=True).start()

    def reply(line: str) -> None:
        answers.write(line.encode() + b"\n")
        answers.flush()

    try:
        hosted = HostedClass(Wanted(**told["wanted"]))
    except ModelServerError as error:
        reply(json.dumps({"unable": str(error)}))
        sys.exit(3)
    reply('{"said": null}')
    _serve(hosted, lines, reply, told["idle_s"])


def _serve(hosted: HostedClass, lines: _Lines, reply: Callable[[str], None], idle_s: float) -> None:
    while True:
        try:
            line = lines.get(timeout=idle_s)
        except queue.Empty:  # its memory is given back; the next question starts another
            _end_all()  # whatever threads a class has left
        reply(answer_to(hosted, json.loads(line)))


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes to the parent, out of reach of what a class prints, reads, or starts."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return questions, answers


def _read(questions: IO[bytes], lines: _Lines) -> None:
    for line in questions:
        lines.put(line)
    _end_all()


def _end_all() -> None:
    """End this process, and what a class has started in its session."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
