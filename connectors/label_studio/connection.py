"""One authenticated line to Label Studio: JSON in, JSON out, every failure as one of two errors.

The SDK authenticates (legacy tokens, and personal access tokens whose access lives 300 s and is
renewed by itself); requests go out raw, because its models take most of the time of a bulk answer
and it repeats writes after a server error, which would double what had been done.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

import httpx
import orjson
from label_studio_sdk.client import LabelStudio
from label_studio_sdk.core.api_error import ApiError
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from connectors.annotation_tool import AnnotationToolRefusedError, AnnotationToolUnavailableError
from connectors.json_values import read_json

ATTEMPTS = 3
MAX_DOWNLOAD_BYTES = 64 * 1024 * 1024
# Files that a task's data can name: uploads, mounted folders, and cloud storage behind a task.
FILE_PATHS = ("/data/", "/tasks/")
# A kept connection that the server closes just then would make it unknown whether a write has
# happened; a new one costs little beside Label Studio's own time.
NO_KEPT_CONNECTIONS = httpx.Limits(max_keepalive_connections=0)

Answer = TypeVar("Answer")


class _NotSentError(AnnotationToolUnavailableError):
    """No connection was made: nothing can have happened, whatever was asked."""


class NotFoundError(AnnotationToolRefusedError):
    """Label Studio itself says that there is no such thing."""


class Connection:
    """Requests with one user's token; ``setting`` is the variable that its errors name.

    ``backoff_s`` is the first of the exponentially growing waits between attempts.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        setting: str,
        timeout_s: float = 120.0,
        backoff_s: float = 0.5,
    ) -> None:
        self.url = url.rstrip("/")
        self._setting = setting
        self._secrets = [token]  # and the short-lived ones behind it
        self._timeout_s = timeout_s
        self._backoff_s = backoff_s
        # A session cookie beside the token could outlive it; none is ever kept.
        no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=5.0),
            follow_redirects=False,  # a token is never carried to another address
            limits=NO_KEPT_CONNECTIONS,
            cookies=no_cookies,
        )
        # Sockets are closed once nobody holds the connection: tools live as long as their process.
        weakref.finalize(self, self._http.close)
        try:
            self._sdk = LabelStudio(  # type: ignore[no-untyped-call]  # generated
                base_url=f"{self.url}/", api_key=token, httpx_client=self._http
            )
        except ApiError as error:  # a personal access token that says itself that it has expired
            raise self._refused_token(self._without_secrets(_detail(error.body))) from error

    def get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        """Read JSON; tried again while Label Studio does not answer properly."""
        return self._patiently(
            lambda: self._json("GET", path, params=params), AnnotationToolUnavailableError
        )

    def repeatable(self, method: str, path: str, body: Any = None) -> Any:
        """A write that does no harm when it is done twice; tried again like a read."""
        return self._patiently(
            lambda: self._json(method, path, body=body), AnnotationToolUnavailableError
        )

    def once(self, method: str, path: str, body: Any = None) -> Any:
        """A write that would double: tried again only where no connection was made.

        After ``AnnotationToolUnavailableError`` it may have happened: look before asking again.
        """
        return self._patiently(lambda: self._json(method, path, body=body), _NotSentError)

    def download(self, path: str) -> bytes:
        """A file below Label Studio's own address; ``path`` as it stands in a task's data."""
        address = urljoin(f"{self.url}/", path)
        if not self._is_file(address):
            raise AnnotationToolRefusedError(
                f"{path[:200]!r} is not a file of Label Studio at {self.url}; only uploaded files "
                f"and files behind a task ({', '.join(FILE_PATHS)}) are fetched"
            )
        return self._patiently(lambda: self._file(address), AnnotationToolUnavailableError)

    def _is_file(self, address: str) -> bool:
        base, wanted = urlsplit(self.url), urlsplit(address)
        plain = unquote(wanted.path)  # an encoded ".." is one to the web server before Label Studio
        return (
            (base.scheme, base.netloc) == (wanted.scheme, wanted.netloc)
            and plain.removeprefix(base.path).startswith(FILE_PATHS)
            and ".." not in plain.replace("\\", "/").split("/")
        )

    def _patiently(self, request: Callable[[], Answer], again_after: type[Exception]) -> Answer:
        attempts = Retrying(
            stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(self._timeout_s),
            wait=wait_exponential(multiplier=self._backoff_s, max=10 * self._backoff_s)
            + wait_random(0, self._backoff_s),
            retry=retry_if_exception_type(again_after),
            reraise=True,
        )
        return attempts(request)

    def _json(
        self, method: str, path: str, *, params: dict[str, Any] | None = None, body: Any = None
    ) -> Any:
        address = f"{self.url}{path}"
        content = None if body is None else orjson.dumps(body)
        try:
            headers = self._headers() | {"Content-Type": "application/json"}
            response = self._http.request(
                method, address, params=params, content=content, headers=headers
            )
        except httpx.HTTPError as error:
            raise self._unavailable(error) from error
        return self._answer(response, f"{method} {path}")

    def _file(self, address: str) -> bytes:
        try:
            with self._http.stream("GET", address, headers=self._headers()) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    # 1.23.2 stumbles over an upload that was deleted, where it means 404.
                    if b"object has no attribute 'has_permission'" in response.content:
                        raise NotFoundError(f"no such file: {urlsplit(address).path}")
                    self._answer(response, f"GET {urlsplit(address).path}")
                chunks = bytearray()
                for chunk in response.iter_bytes():
                    chunks += chunk
                    if len(chunks) > MAX_DOWNLOAD_BYTES:
                        raise AnnotationToolRefusedError(
                            f"{urlsplit(address).path} is larger than {MAX_DOWNLOAD_BYTES} bytes"
                        )
                return bytes(chunks)
        except httpx.HTTPError as error:
            raise self._unavailable(error) from error

    def _headers(self) -> dict[str, str]:
        """Who is asking; renews the short-lived access behind a personal access token."""
        try:
            headers = dict(self._sdk._client_wrapper.get_headers())  # noqa: SLF001 - its only door
        except ApiError as error:
            if error.status_code in {401, 403}:
                raise self._refused_token(self._without_secrets(_detail(error.body))) from error
            raise AnnotationToolUnavailableError(
                f"Label Studio at {self.url} did not renew the access token: "
                f"{error.status_code} {self._without_secrets(_detail(error.body))}"
            ) from error
        except ValueError as error:  # the renewal was answered by something that is not JSON
            raise AnnotationToolUnavailableError(
                f"Label Studio at {self.url} did not renew the access token: "
                f"{self._without_secrets(str(error))}"
            ) from error
        secret = str(headers.get("Authorization", "")).rpartition(" ")[2]
        if secret and secret not in self._secrets:
            self._secrets = [self._secrets[0], secret]
        return headers

    def _without_secrets(self, said: str) -> str:
        """What Label Studio, or a proxy before it, says; some repeat what they were sent."""
        for secret in self._secrets:
            said = said.replace(secret, "[secret]")
        return said

    def _answer(self, response: httpx.Response, asked: str) -> Any:
        status = response.status_code
        if status == httpx.codes.NO_CONTENT:
            return None
        if response.is_redirect:
            raise AnnotationToolRefusedError(
                f"Label Studio at {self.url} redirects {asked} to "
                f"{response.headers.get('location', 'nowhere')}; is LABELGATE_LABEL_STUDIO_URL its "
                "exact address?"
            )
        try:
            body = read_json(response.content) if response.content else None
        except ValueError as error:
            if status in {401, 403}:
                raise self._refused_token(f"{status}", asked) from error
            raise AnnotationToolUnavailableError(
                f"{self.url} answered {asked} with {status} and no JSON "
                f"({response.headers.get('content-type', 'no content type')}); "
                "is Label Studio starting, or LABELGATE_LABEL_STUDIO_URL another server?"
            ) from error
        if status >= 400:
            raise self._failure(status, self._without_secrets(f"{status} {_detail(body)}"), asked)
        return body

    def _failure(self, status: int, detail: str, asked: str) -> Exception:
        said = f"Label Studio at {self.url} answered {asked}: {detail}"
        if status in {408, 429} or status >= 500:
            return AnnotationToolUnavailableError(said)
        if status == httpx.codes.NOT_FOUND:
            return NotFoundError(said)
        if "network address" in detail:  # its guard against requests to local addresses
            return AnnotationToolRefusedError(
                f"{said}; start Label Studio with SSRF_PROTECTION_ENABLED=false and "
                "ML_BLOCK_LOCAL_IP=false, or give Labelgate an address that is not local with "
                "LABELGATE_PUBLIC_URL"
            )
        if status in {401, 403}:
            return self._refused_token(detail, asked)
        return AnnotationToolRefusedError(said)

    def _refused_token(self, detail: str, asked: str = "the token") -> AnnotationToolRefusedError:
        return AnnotationToolRefusedError(
            f"{self._setting}: Label Studio at {self.url} refused {asked}: {detail}; set it "
            "to a valid access token (Account & Settings > Personal Access Token; a legacy token "
            "works only where the organization allows them)"
        )

    def _unavailable(self, error: httpx.HTTPError) -> AnnotationToolUnavailableError:
        message = f"Label Studio at {self.url} does not answer: {type(error).__name__}: {error}"
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return _NotSentError(message)
        return AnnotationToolUnavailableError(message)


def _detail(body: Any) -> str:
    """The reason in an error answer, short: its detail and which fields it dislikes."""
    match body:
        case {"validation_errors": dict(errors)} if errors:
            return "; ".join(f"{field}: {_text(problem)}" for field, problem in errors.items())
        case {"detail": detail}:
            return _text(detail)
    return _text(body)


def _text(problem: Any) -> str:
    if isinstance(problem, list):
        problem = ", ".join(str(each) for each in problem)
    return str(problem)[:500]
