"""Server-side request forgery: what a policy names leads inside only where the admin says so."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from backend.alerts.channels import configured_channels
from backend.foreign import source_of
from backend.predictors.foreign.source import ModelUnavailableError
from backend.settings import Settings
from connectors.alerts.channel import AlertChannelDownError, AlertMessage
from connectors.destinations import (
    OUTSIDE,
    SETTLED,
    DestinationRefusedError,
    Destinations,
    allowed_of,
)
from connectors.judged_transport import transport_to
from connectors.model_servers.server import ModelServer, ModelServerDownError, ModelServerError
from policies.models import Upstream
from tests.fakes.foreign_questions import LABEL_CONFIG
from tests.fakes.model_servers import LOOPBACK, ModelServerOnLoopback, Reply, reply, serving
from tests.fakes.web_project import web_project

Found = list[tuple[Any, ...]]
METADATA = "169.254.169.254"


def found(*addresses: str, port: int = 80) -> Found:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]


class Names:
    """Name servers that say as they are told, each time the next answer; they count."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.told: dict[str, list[list[str]]] = {}
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in self.told:
            return self._real(host, port, *rest, **more)
        self.asked.append(name)
        answers = self.told[name]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return found(*addresses, port=int(port))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def inside() -> Iterator[ModelServerOnLoopback]:
    """A service that only this machine reaches."""
    with serving(ModelServerOnLoopback({"/x": lambda _: reply({"ok": 1})})) as server:
        yield server


def refusal(destinations: Destinations, address: str, host: str = "x", port: int = 80) -> str:
    with pytest.raises(DestinationRefusedError) as caught:
        destinations.refuse(host, port, ip_address(address))
    return str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "fc00::1",
        "fec0::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "::7f00:1",
        "2002:7f00:1::1",
        "::ffff:0:7f00:1",  # SIIT
        "64:ff9b:1:a00:0:100:808:808",  # a network's own NAT64: where IPv4 stands is its secret
    ],
)
def test_addresses_inside_are_refused_and_the_way_out_is_told(address: str) -> None:
    assert "LABELGATE_ALLOWED_ADDRESSES" in refusal(OUTSIDE, address)


@pytest.mark.parametrize(
    "address",
    [
        METADATA,
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "0.0.0.0",  # noqa: S104 - refused
        "::",
        "224.0.0.1",
        "ff02::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_metadata_and_link_local_are_refused_to_names_that_are_listed_too(address: str) -> None:
    listed = Destinations(allowed=allowed_of("x, 10.0.0.0/8"))
    for destinations in (OUTSIDE, listed, SETTLED):
        assert "no request goes there" in refusal(destinations, address)


@pytest.mark.parametrize("host", ["a" * 64, "a..b"])
def test_a_name_that_cannot_be_one_has_no_address(host: str) -> None:
    with pytest.raises(OSError, match="no name of a host"):
        OUTSIDE.addresses(host, 80)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_addresses_outside_are_taken(address: str) -> None:
    OUTSIDE.refuse("x", 443, ip_address(address))


@pytest.mark.parametrize(
    ("listed", "host", "port", "address"),
    [
        ("yolo", "yolo", 9090, "10.0.0.7"),
        ("yolo", "YOLO.", 9090, "10.0.0.7"),
        ("yolo:9090", "yolo", 9090, "10.0.0.7"),
        (".models.example", "a.models.example", 80, "10.0.0.7"),
        ("10.0.0.0/8", "anything", 80, "10.0.0.7"),
        ("10.0.0.7", "anything", 80, "::ffff:10.0.0.7"),
        ("[::1]:9090", "localhost", 9090, "::1"),
        ("fc00::/7", "anything", 80, "fc00::1"),
        (METADATA, "anything", 80, METADATA),
    ],
)
def test_what_the_admin_lists_is_taken(listed: str, host: str, port: int, address: str) -> None:
    Destinations(allowed=allowed_of(listed)).refuse(host, port, ip_address(address))


@pytest.mark.parametrize(
    ("listed", "host", "port", "address"),
    [
        ("yolo", "yolo.evil.example", 80, "10.0.0.7"),
        ("yolo", "notyolo", 80, "10.0.0.7"),
        (".models.example", "models.example.evil.example", 80, "10.0.0.7"),
        (".models.example", "evilmodels.example", 80, "10.0.0.7"),
        ("yolo:9090", "yolo", 6379, "10.0.0.7"),
        ("10.0.0.7", "anything", 80, "10.0.0.8"),
        ("127.0.0.1:9090", "127.0.0.1", 6379, "127.0.0.1"),
    ],
)
def test_what_is_like_it_is_not(listed: str, host: str, port: int, address: str) -> None:
    refusal(Destinations(allowed=allowed_of(listed)), address, host, port)


@pytest.mark.parametrize("listed", ["yolo:0", "yolo:x", "10.0.0.0/99", "http://yolo", "a b", "1.2"])
def test_a_list_that_is_none_is_told_at_the_start(listed: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="allowed_addresses"):
        Settings(data_dir=tmp_path, allowed_addresses=listed)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]"]
)
def test_no_way_to_write_loopback_reaches_a_service_there(
    inside: ModelServerOnLoopback, host: str
) -> None:
    server = ModelServer(f"http://{host}:{inside.server_port}", backoff_s=0.001)
    with pytest.raises(ModelServerError) as caught:
        server.ask("GET", "/x", timeout_s=5)
    assert not inside.got
    # What httpx takes for no address at all is not resolved.
    assert "leads to" in str(caught.value) or "InvalidURL" in str(caught.value)


def test_a_name_that_turns_inward_is_refused(inside: ModelServerOnLoopback, names: Names) -> None:
    names.told["models.example"] = [["127.0.0.1"]]
    server = ModelServer(f"http://models.example:{inside.server_port}")
    with pytest.raises(ModelServerDownError, match=r"^leads to 127\.0\.0\.1, .* models\.example"):
        server.ask("GET", "/x", timeout_s=5)
    assert not inside.got


def test_a_name_is_resolved_once_for_what_is_judged_and_what_is_connected(
    inside: ModelServerOnLoopback, names: Names
) -> None:
    """DNS rebinding: the second answer would lead inside, and nobody asks for it."""
    names.told["rebinding.example"] = [["8.8.8.8"], ["127.0.0.1"]]
    assert OUTSIDE.addresses("rebinding.example", inside.server_port) == ["8.8.8.8"]
    assert names.asked == ["rebinding.example"]
    names.told["listed.example"] = [["127.0.0.1"], ["10.255.255.1"]]
    allowed = Destinations(allowed=allowed_of("127.0.0.1"))
    server = ModelServer(f"http://listed.example:{inside.server_port}", destinations=allowed)
    for _ in range(3):
        assert server.ask("GET", "/x", timeout_s=5) == {"ok": 1}
    assert names.asked == ["rebinding.example", "listed.example"], "asked for a kept connection"
    assert inside.got[0].headers["Host"].startswith("listed.example")


def test_of_several_addresses_those_inside_are_left_out(
    inside: ModelServerOnLoopback, names: Names
) -> None:
    names.told["two.example"] = [["10.255.255.1", "127.0.0.1"]]
    server = ModelServer(f"http://two.example:{inside.server_port}", destinations=LOOPBACK)
    assert server.ask("GET", "/x", timeout_s=5) == {"ok": 1}


def test_redirects_lead_nowhere(inside: ModelServerOnLoopback) -> None:
    elsewhere = f"{inside.url}/secret"
    inside.answers["/x"] = lambda _: Reply(b"", 302, f"text/plain\r\nLocation: {elsewhere}")
    with pytest.raises(Exception, match="answered 302"):
        ModelServer(inside.url, destinations=LOOPBACK).ask("GET", "/x", timeout_s=5)
    assert [each.path for each in inside.got] == ["/x"]


def test_the_certificate_must_be_of_the_name_and_not_of_the_address(
    inside: ModelServerOnLoopback, names: Names
) -> None:
    chain = Path(__file__).parents[1] / "connectors" / "alerts" / "localhost.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    shown: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: shown.append(name)
    inside.socket = context.wrap_socket(inside.socket, server_side=True)
    names.told["models.example"] = [["127.0.0.1"]]
    server = ModelServer(
        f"https://models.example:{inside.server_port}", destinations=LOOPBACK, backoff_s=0.001
    )
    with pytest.raises(ModelServerDownError, match="ConnectError"):
        server.ask("GET", "/x", timeout_s=5)
    assert set(shown) == {"models.example"}


def test_through_a_proxy_addresses_inside_are_refused_too(
    inside: ModelServerOnLoopback, monkeypatch: pytest.MonkeyPatch, names: Names
) -> None:
    monkeypatch.setenv("http_proxy", inside.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    names.told["models.example"] = [[METADATA]]
    for url in (f"http://{METADATA}/x", "http://models.example/x", "http://10.0.0.1/x"):
        transport = transport_to(url, OUTSIDE)
        with httpx.Client(transport=transport) as client, pytest.raises(DestinationRefusedError):
            client.get(url)
    assert not inside.got
    names.told["outside.example"] = [["8.8.8.8"]]
    inside.answers["http://outside.example/x"] = lambda _: reply({"by": "proxy"})
    url = "http://outside.example/x"
    with httpx.Client(transport=transport_to(url, OUTSIDE)) as client:
        assert client.get(url).json() == {"by": "proxy"}


@pytest.mark.parametrize("listed", ["", "127.0.0.1"])
def test_the_models_server_of_a_policy_is_asked_where_the_setting_says_so(
    inside: ModelServerOnLoopback, tmp_path: Path, listed: str
) -> None:
    inside.answers["/health"] = lambda _: reply({"status": "UP"})
    inside.answers["/setup"] = lambda _: reply({"model_version": "v1"})
    runtime = web_project(tmp_path, allowed_addresses=listed).runtime
    source = source_of(runtime, 1, Upstream(kind="upstream", url=inside.url))
    if listed:
        assert source.reported(LABEL_CONFIG) == "v1"
    else:
        with pytest.raises(ModelUnavailableError, match=r"add 127\.0\.0\.1 to LABELGATE"):
            source.reported(LABEL_CONFIG)
        assert not inside.got


def test_alerts_go_inside_where_a_setting_names_the_address_and_never_to_metadata(
    inside: ModelServerOnLoopback, tmp_path: Path
) -> None:
    message = AlertMessage(id="1", subject="s", text="t", recipients=(), payload={})
    inside.answers["/hook"] = lambda _: reply({})
    own = Settings(data_dir=tmp_path, alert_webhook_url=f"{inside.url}/hook", allowed_addresses="")
    assert configured_channels(own).usable["webhook"].send(message) == "answered 200"
    clouds = Settings(data_dir=tmp_path, alert_slack_url=f"http://{METADATA}/hook-secret")
    with pytest.raises(AlertChannelDownError) as caught:
        configured_channels(clouds).usable["slack"].send(message)
    assert "no request goes there" in str(caught.value)
    assert "hook-secret" not in str(caught.value)
