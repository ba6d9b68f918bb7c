"""One line to a model's server: JSON out, JSON in, every failure as one of two errors.

Nothing that comes back is trusted: an answer has a largest size and a last moment, redirects are
not followed (credentials go nowhere else), and what is no JSON is told as such. Connections are
kept, because one project asks the same server again and again.
"""

from __future__ import annotations

import base64
import json
import time
import weakref
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import httpx
import orjson
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from connectors.destinations import (
    OUTSIDE,
    DestinationRefusedError,
    Destinations,
)
from connectors.judged_transport import transport_to
from connectors.model_servers.circuit import Circuit

ATTEMPTS = 3
CONNECT_S = 5.0
LARGEST_ANSWER = 64 * 1024 * 1024  # bytes
_SHOWN = 200  # characters of a refusal that are told
# Another try may find the server, or the proxy before it, in a better state.
_PASSING = frozenset({429, 502, 503, 504})


class ModelServerError(Exception):
    """An answer that cannot be used; the text says what came back, and holds no secret."""


class ModelServerDownError(ModelServerError):
    """The server does not answer now: other questions would fare no better."""


class _PassingError(ModelServerDownError):
    """Worth another try at once."""


class ModelServer:
    """A server at an address, with its credentials, its kept connections and its circuit.

    ``credentials`` are USER:PASSWORD for basic authentication, or else a bearer token.
    ``destinations`` are those that its address may lead to. ``backoff_s`` is the first of the
    exponentially growing waits between attempts.
    """

    def __init__(
        self,
        url: str,
        credentials: str | None = None,
        *,
        destinations: Destinations = OUTSIDE,
        backoff_s: float = 0.25,
        circuit: Circuit | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.circuit = circuit or Circuit()
        self._secrets = _secrets_of(credentials)
        self._headers = {
            "User-Agent": "labelgate",
            "Accept": "application/json",
            # What unpacks a thousandfold at most; other packings do a hundred times as much.
            "Accept-Encoding": "gzip, deflate",
        }
        if credentials is not None:
            self._headers["Authorization"] = _authorization(credentials)
        self._backoff_s = backoff_s
        self._http = httpx.Client(
            follow_redirects=False, transport=transport_to(self.url, destinations)
        )
        # Sockets are closed once nobody holds the server.
        weakref.finalize(self, self._http.close)

    def ask(self, method: str, path: str, body: Any = None, *, timeout_s: float) -> Any:
        """The JSON that the server answers with, within about ``timeout_s`` for each attempt.

        What passes (no connection, 429, 502 to 504) is tried again, with growing waits. A time-out
        is not: it has taken long enough.

        Raises
            ModelServerDownError: no answer, or the circuit is open after failures in a row.
            ModelServerError: an answer that is refused, too large or no JSON.
        """
        return _json(*self._answer(method, path, body, timeout_s))

    def tell(self, method: str, path: str, body: Any = None, *, timeout_s: float) -> None:
        """The same where it is enough that the server takes it, whatever it says to it."""
        self._answer(method, path, body, timeout_s)

    def _answer(
        self, method: str, path: str, body: Any, timeout_s: float
    ) -> tuple[httpx.Response, bytes]:
        waits = self.circuit.closed_for()
        if waits is not None:
            raise ModelServerDownError(waits)
        attempts = Retrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(self._backoff_s, max=5) + wait_random(0, self._backoff_s),
            reraise=True,
        )
        try:
            answer = attempts(self._once, method, path, body, timeout_s)
        except ModelServerDownError as error:
            self.circuit.failed(str(error))
            raise
        except ModelServerError:
            self.circuit.succeeded()  # it answers, if badly
            raise
        self.circuit.succeeded()
        return answer

    def _once(
        self, method: str, path: str, body: Any, timeout_s: float
    ) -> tuple[httpx.Response, bytes]:
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        limits = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S))
        until = time.monotonic() + timeout_s
        try:
            content = None if body is None else orjson.dumps(body)
            with self._http.stream(
                method, f"{self.url}{path}", content=content, headers=headers, timeout=limits
            ) as response:
                read = _read(response, until, timeout_s)
        except DestinationRefusedError as error:
            raise ModelServerDownError(str(error)) from None
        except httpx.ConnectTimeout:
            raise _PassingError("cannot be reached: no connection in time") from None
        except httpx.TimeoutException:
            raise ModelServerDownError(f"did not answer within {timeout_s:g} s") from None
        except httpx.TransportError as error:
            raise _PassingError(f"cannot be reached: {type(error).__name__}") from None
        except (httpx.HTTPError, httpx.InvalidURL, TypeError, ValueError) as error:
            raise ModelServerError(f"no exchange with it: {type(error).__name__}") from None
        if not response.is_success:
            said, status = self._words(read), response.status_code
            failed = _PassingError if status in _PASSING else ModelServerError
            raise failed(f"answered {status}{f': {said}' if said else ''}")
        return response, read

    def _words(self, content: bytes) -> str:
        """The beginning of a refusal, unless it is a page or repeats a secret."""
        words = " ".join(content[: 4 * _SHOWN].decode(errors="replace").split())[:_SHOWN]
        hidden = words.startswith("<") or any(secret in words for secret in self._secrets)
        return "" if hidden or not words.isprintable() else words


@lru_cache(maxsize=64)
def model_server(
    url: str, credentials: str | None = None, *, destinations: Destinations = OUTSIDE
) -> ModelServer:
    """The process's one line to a server, whoever asks it: its circuit is everybody's."""
    return ModelServer(url, credentials, destinations=destinations)


def _read(response: httpx.Response, until: float, timeout_s: float) -> bytes:
    """The body, as long as it comes in time and is no larger than it may be."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise ModelServerError(f"answered with more than {LARGEST_ANSWER >> 20} MB")
        if time.monotonic() > until:
            raise ModelServerDownError(f"did not end its answer within {timeout_s:g} s")
    return b"".join(parts)


def _json(response: httpx.Response, content: bytes) -> Any:
    kind = response.headers.get("Content-Type", "nothing named").split(";")[0].strip()
    if "json" not in kind.lower():
        raise ModelServerError(f"answered with {kind[:60]!r}, not with JSON")
    try:
        # The standard library's: one score that is NaN must not spoil a whole batch.
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ModelServerError("answered with what is no JSON") from None


def _authorization(credentials: str) -> str:
    if ":" in credentials:
        return f"Basic {base64.b64encode(credentials.encode()).decode()}"
    return f"Bearer {credentials}"


def _secrets_of(credentials: str | None) -> tuple[str, ...]:
    if credentials is None:
        return ()
    encoded = base64.b64encode(credentials.encode()).decode()
    return tuple(part for part in (*credentials.split(":", 1), encoded) if len(part) >= 4)


def mapping_of(answer: Any) -> Mapping[str, Any]:
    """The answer as a mapping; ``ModelServerError`` where it is none."""
    if not isinstance(answer, dict):
        raise ModelServerError(f"answered with a JSON {type(answer).__name__}, not with an object")
    return answer
