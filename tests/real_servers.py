"""A real PostgreSQL and a real Redis for tests: named, found on this host, or started for them.

Three places are looked at: ``LABELGATE_TEST_DATABASE_URL`` and ``LABELGATE_TEST_REDIS_URL``, then
the servers on this host's standard ports, then installed binaries, which are started on free ports
and ended with the test run. In CI their lack is a failure; elsewhere the skip says what to set.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from connectors.loopback import free_port
from tests.waiting import until

DATABASE_VARIABLE, REDIS_VARIABLE = "LABELGATE_TEST_DATABASE_URL", "LABELGATE_TEST_REDIS_URL"
_STANDARD_DATABASES = (
    "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    "postgresql+psycopg://root@127.0.0.1:5432/postgres",
)
_STANDARD_REDIS = "redis://127.0.0.1:6379/0"
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProcess:
    """A server that a test started itself, and may kill and start again on the same data."""

    process: subprocess.Popen[bytes]
    url: str


def missing(what: str, variable: str) -> None:
    """Fail in CI, skip elsewhere, with what to do about it."""
    reason = (
        f"no {what}: set {variable}, start one on its standard port, or install its server "
        "(Debian: postgresql, redis-server)"
    )
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str | None]:
    """The URL of a server whose user may make databases; None where there is none."""
    for url in filter(None, (os.environ.get(DATABASE_VARIABLE), *_STANDARD_DATABASES)):
        if _answers(url):
            yield url
            return
    if postgresql_program("postgres") is None:
        yield None
        return
    started = start_postgresql(folder)
    try:
        yield started.url
    finally:
        end(started)


@contextlib.contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database of its own on this server; dropped at the end."""
    with _database(server_url, "template1") as url:
        yield url


@contextlib.contextmanager
def copied_database(template_url: str) -> Iterator[str]:
    """The URL of a copy of this database, to which nobody may be connected; dropped at the end."""
    template = make_url(template_url)
    server_url = template.set(database="postgres").render_as_string(hide_password=False)
    with _database(server_url, str(template.database)) as url:
        yield url


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str | None]:
    """The URL of a Redis; None where there is none. What tests write there is under their names."""
    for url in filter(None, (os.environ.get(REDIS_VARIABLE), _STANDARD_REDIS)):
        if _pings(url):
            yield url
            return
    if shutil.which("redis-server") is None:
        yield None
        return
    started = start_redis(folder)
    try:
        yield started.url
    finally:
        end(started)


def postgresql_program(name: str) -> str | None:
    """Where a program of the PostgreSQL server is; Debian keeps them outside PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or next(map(str, installed), None)


def start_postgresql(folder: Path, port: int | None = None) -> ServerProcess:
    """A server of the test's own, on the data in this folder, which is made where it is new.

    PostgreSQL refuses to run as root: then it runs as the user ``postgres``, who gets the folder.
    """
    server, initdb = postgresql_program("postgres"), postgresql_program("initdb")
    if server is None or initdb is None:
        raise RuntimeError("PostgreSQL's server is not installed (Debian: postgresql)")
    port = port or free_port()
    data = folder / "postgresql"
    account = _account()
    if not data.exists():
        data.mkdir(parents=True)
        if account is not None:
            os.chown(data, account.pw_uid, account.pw_gid)
            _open_to_others(data)
        arguments = ["-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        _run_as([initdb, *arguments], account)
    with (folder / "postgresql.log").open("ab") as log:
        process = subprocess.Popen(
            [server, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""],
            stdout=log,
            stderr=log,
            start_new_session=True,
            user=None if account is None else account.pw_uid,
            group=None if account is None else account.pw_gid,
        )
    url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    until(lambda: _answers(url), "PostgreSQL", _PATIENCE_S)
    return ServerProcess(process=process, url=url)


def start_redis(folder: Path, port: int | None = None) -> ServerProcess:
    """A Redis of the test's own that writes each command to disk before it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    with (folder / "redis.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *("redis-server", "--port", str(port), "--bind", "127.0.0.1"),
                *("--dir", str(folder), "--save", "", "--appendonly", "yes"),
                *("--appendfsync", "always"),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"redis://127.0.0.1:{port}/0"
    until(lambda: _pings(url), "Redis", _PATIENCE_S)
    return ServerProcess(process=process, url=url)


def end(server: ServerProcess) -> None:
    """Ask the server to end, and wait until it has.

    SIGINT: on SIGTERM PostgreSQL would wait until every client has gone by itself.
    """
    server.process.send_signal(signal.SIGINT)
    try:
        server.process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


@contextlib.contextmanager
def _database(server_url: str, template: str) -> Iterator[str]:
    name = f"labelgate_test_{secrets.token_hex(6)}"
    _on_server(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        _on_server(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _answers(url: str) -> bool:
    try:
        with _connection(url) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def _pings(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_connect_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _on_server(server_url: str, statement: str) -> None:
    with _connection(server_url) as connection:
        connection.execute(statement.encode())


def _connection(url: str) -> psycopg.Connection:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, connect_timeout=5)


def _account() -> pwd.struct_passwd | None:
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def _run_as(command: Sequence[str], account: pwd.struct_passwd | None) -> None:
    subprocess.run(
        command,
        check=True,
        capture_output=True,
        timeout=_PATIENCE_S,
        user=None if account is None else account.pw_uid,
        group=None if account is None else account.pw_gid,
    )


def _open_to_others(folder: Path) -> None:
    """Let another user walk to a folder below pytest's, which are the runner's alone."""
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
