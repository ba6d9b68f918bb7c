"""HTTP to addresses that were judged: httpx's transport over connections that lead where they may.

A name is resolved once, what it resolves to is judged (``connectors.destinations``), and the
connection goes to just that address: a name that resolves to another a moment later (DNS rebinding)
gains nothing. Connections are judged when they are made, and kept: a question on a kept one costs
nothing more.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from connectors.destinations import Destinations

_MOST_CONNECTIONS, _MOST_KEPT, _KEPT_S = 100, 20, 5.0  # as httpx has them


def transport_to(url: str, destinations: Destinations) -> httpx.HTTPTransport:
    """A transport for requests to this address, by the proxy that the environment names for it."""
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy is None or proxy_bypass(parts.hostname or ""):
        return _Direct(destinations)
    return _ByProxy(destinations, proxy if "://" in proxy else f"http://{proxy}")


class _Judging(httpcore.NetworkBackend):
    """Connections of the standard kind, to addresses that were judged."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._destinations.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return self._plain.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Direct(httpx.HTTPTransport):
    """httpx's own transport, whose pool connects by ``_Judging``."""

    def __init__(self, destinations: Destinations) -> None:
        super().__init__(verify=_trusted())
        # httpx has no parameter for it. A pool of another name would go unjudged: better no start.
        if not isinstance(self._pool, httpcore.ConnectionPool):
            raise TypeError("httpx keeps its connections elsewhere: the guard must follow")
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trusted(),
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_KEPT,
            keepalive_expiry=_KEPT_S,
            network_backend=_Judging(destinations),
        )


class _ByProxy(httpx.HTTPTransport):
    """Through a proxy, which resolves names itself: what this machine makes of them is judged.

    A name that only the proxy knows is left to it.
    """

    def __init__(self, destinations: Destinations, proxy: str) -> None:
        super().__init__(verify=_trusted(), proxy=proxy)
        self._destinations = destinations

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            self._destinations.addresses(request.url.host, port)
        except OSError as error:
            del error  # not known here
        return super().handle_request(request)


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """The authorities that certificates are held to, read once: it takes 20 ms."""
    return httpx.create_ssl_context()
