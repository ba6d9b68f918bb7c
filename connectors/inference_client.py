"""A client for whoever runs a model: hands in what it answers, until Labelgate has it on disk.

    with InferenceClient("http://127.0.0.1:9090", token) as client:
        client.add("request-1", "Spam", model_version="2026-03", data={"text": "..."}, score=0.93)

Plain HTTP does as well: see ``POST /v1/inferences``. Needs httpx and tenacity, nothing else of
Labelgate but ``connectors.inference_data``.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from connectors.inference_data import data_sha256

MOST_IN_BATCH = 10_000
_ATTEMPTS = 6
_LONGEST_WAIT_S = 30.0
_TOO_MANY = 429
# The batch itself is at fault: sent again, it would be refused again.
_AT_FAULT = frozenset({400, 409, 413, 422})
_SHOWN = 2_000  # characters of a refusal


class InferenceClientError(Exception):
    """Inferences that were not handed in."""


class InferencesNotSentError(InferenceClientError):
    """Labelgate does not answer, cannot store now, or does not take the token.

    They are kept: ``send`` tries again.
    """


class InferencesRefusedError(InferenceClientError):
    """Labelgate refused a batch, in its own words; ``inferences`` are those of the batch.

    They are not kept: the same batch would be refused for ever.
    """

    def __init__(self, message: str, inferences: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.inferences = inferences


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of what was sent: each inference is new, known, or in conflict.

    ``conflicting`` are the first ids of those that Labelgate has with other content.
    """

    received: int = 0
    stored: int = 0
    known: int = 0
    conflicts: int = 0
    conflicting: tuple[str, ...] = ()

    def plus(self, answer: Mapping[str, Any]) -> Sent:
        """This and one more answer of Labelgate."""
        return Sent(
            received=self.received + answer["received"],
            stored=self.stored + answer["stored"],
            known=self.known + answer["known"],
            conflicts=self.conflicts + answer["conflicts"],
            conflicting=(*self.conflicting, *answer["conflicting"]),
        )


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is sent again under the same key, byte for byte."""

    inferences: list[str]  # each as JSON
    body: bytes
    key: str = field(default_factory=lambda: uuid.uuid4().hex)


class _PassingError(InferencesNotSentError):
    """Worth another try in a moment."""


class InferenceClient:
    """Gathers inferences and sends them in batches. One may serve several threads.

    ``batch`` inferences are sent as soon as they are together, what is left by ``send``, or when
    the block ends. With ``send_data=False`` the data stays where it is, and its hash alone is sent,
    for policies with ``keep: ids``. ``backoff_s`` is the first of the growing waits between the
    ``attempts``.
    """

    def __init__(  # noqa: PLR0913 - where to, and what may differ by network
        self,
        url: str,
        token: str,
        *,
        batch: int = 1_000,
        send_data: bool = True,
        timeout_s: float = 30.0,
        attempts: int = _ATTEMPTS,
        backoff_s: float = 0.5,
    ) -> None:
        if not 1 <= batch <= MOST_IN_BATCH:
            raise ValueError(f"batch = {batch}: between 1 and {MOST_IN_BATCH:,}")
        self._url = f"{url.rstrip('/')}/v1/inferences"
        self._batch = batch
        self._send_data = send_data
        self._waiting: list[str] = []  # as JSON: what the caller changes later is not sent
        self._packed: list[_Batch] = []
        self._lock = threading.RLock()
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=timeout_s,
            follow_redirects=False,  # the token goes nowhere else
        )
        self._retrying = Retrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop_after_attempt(attempts),
            wait=wait_exponential(backoff_s, max=_LONGEST_WAIT_S) + wait_random(0, backoff_s),
            reraise=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Send what is left, also where the block failed, and close the connection."""
        try:
            self.send()
        finally:
            self._http.close()

    def __len__(self) -> int:
        """How many are not handed in yet."""
        with self._lock:
            return len(self._waiting) + sum(len(each.inferences) for each in self._packed)

    def add(  # noqa: PLR0913 - the fields of an inference
        self,
        inference_id: str | int,
        predicted: Any,
        *,
        model_version: str,
        data: Mapping[str, Any] | None = None,
        score: float | None = None,
        at: datetime | None = None,
    ) -> None:
        """Gather one inference; ``at`` is when the model answered, by default now.

        ``predicted`` is a label, a number, a list of labels, an answer's text, or a result as Label
        Studio has it. Raises ``ValueError`` for what is no JSON, and what ``send`` raises where a
        batch is together.
        """
        if at is not None and at.tzinfo is None:
            raise ValueError(f"at = {at.isoformat()} has no zone: use datetime.now(UTC)")
        inference = {
            "id": inference_id,
            "predicted": predicted,
            "model_version": model_version,
            "score": score,
            "at": (at or datetime.now(UTC)).isoformat(),
        }
        if data is not None:
            inference |= {"data": data} if self._send_data else {"data_sha256": data_sha256(data)}
        text = json.dumps(inference, allow_nan=False)
        with self._lock:
            self._waiting.append(text)
            if len(self._waiting) >= self._batch:
                self.send()

    def send(self) -> Sent:
        """Hand in all that waits; once this returns, Labelgate has it on disk.

        Raises
            InferencesNotSentError: no answer, or a server's error, after all attempts; what waits
                is kept, and goes out under the same keys by the next ``send``.
            InferencesRefusedError: a batch was refused; the batches after it are kept.
        """
        with self._lock:
            while self._waiting:
                some, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
                body = f'{{"inferences": [{", ".join(some)}]}}'.encode()
                self._packed.append(_Batch(some, body))
            sent = Sent()
            while self._packed:
                batch = self._packed[0]
                try:
                    answer = self._retrying(self._post, batch)
                except InferencesRefusedError:
                    self._packed.pop(0)
                    raise
                self._packed.pop(0)
                sent = sent.plus(answer)
            return sent

    def _post(self, batch: _Batch) -> dict[str, Any]:
        try:
            response = self._http.post(
                self._url, content=batch.body, headers={"Idempotency-Key": batch.key}
            )
        except httpx.TransportError as error:
            why = f"{self._url} cannot be reached: {type(error).__name__} {error}"
            raise _PassingError(why) from None
        if response.status_code == httpx.codes.ACCEPTED:
            return _receipt(response)
        said = f"{self._url} answered {response.status_code}: {_words(response)}"
        if response.is_server_error or response.status_code == _TOO_MANY:
            raise _PassingError(said)
        if response.status_code in _AT_FAULT:
            raise InferencesRefusedError(said, [json.loads(each) for each in batch.inferences])
        raise InferencesNotSentError(said)


def _receipt(response: httpx.Response) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = response.json()
    except ValueError:  # not Labelgate's own words: a proxy's
        raise _PassingError(f"answered 202 with what is no JSON: {response.text[:200]}") from None
    return answer


def _words(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])[:_SHOWN]
    except (ValueError, KeyError, TypeError):  # not Labelgate's own words: a proxy's
        return response.text[:_SHOWN]
