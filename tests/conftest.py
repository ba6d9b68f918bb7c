"""Shared by all tests: one running Label Studio per test run, and the folder of real data sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import scipy.linalg  # noqa: F401
from flask import Flask
from hypothesis import HealthCheck, settings
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import make_url, text
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types
from xdist.remote import Producer

from backend.store.engine import make_engine
from backend.store.schema import migrate
from benchmarks.large_store import Filled
from connectors.label_studio.connection import Connection
from connectors.label_studio.local_server import start_label_studio
from tests.fakes.databases import database_at, empty
from tests.fakes.migrated import close_engines
from tests.fuzz.campaign import summary
from tests.large_stores import large_store
from tests.real_servers import (
    DATABASE_VARIABLE,
    REDIS_VARIABLE,
    copied_database,
    missing,
    new_database,
    postgresql,
    redis_server,
)
from tests.running_label_studio import RunningLabelStudio
from tests.sharing import Sharing, group_of
from tests.stores import runs_on_both

# Vectors are a matter of tests of their own: with them a text shows its label only once a worker
# has encoded it, and each process loads a model. Processes that tests start inherit it.
os.environ.setdefault("LABELGATE_EMBEDDINGS", "off")

# Servers that tests put up for policies to name are on loopback; processes inherit it.
os.environ.setdefault("LABELGATE_ALLOWED_ADDRESSES", "127.0.0.1")

# A test asks faster than people do; those of the limit set one.
os.environ.setdefault("LABELGATE_RATE_LIMIT", "0")

# Tables of tests are small: BLAS's threads wait for each other, in a loop, for longer than they
# work. Simulations took four times the processor time with two of them. scipy.linalg is imported
# because only libraries that are there already are limited.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for processes that tests start
threadpool_limits(limits=1)


class _Compiled(BytecodeCache):
    """Templates that were compiled in this process: each of hundreds of apps would do it anew."""

    def __init__(self) -> None:
        self._codes: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._codes:
            bucket.bytecode_from_string(self._codes[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key] = bucket.bytecode_to_string()


Flask.jinja_options = {"bytecode_cache": _Compiled()}

# The same examples in every run, here as in CI: a run that fails can be repeated, and one that was
# green stays so. `--hypothesis-profile default` looks for new ones.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLabelStudio]:
    """A real Label Studio, started once per run from the cache; stopped at the end.

    A missing install is an error that says `make label-studio`, not a silent skip.
    Tests that kill their server start one of their own with ``start_label_studio(tmp_path)``.
    """
    with start_label_studio(tmp_path_factory.mktemp("label-studio")) as server:
        admin = Connection(server.url, server.token, setting="LABELGATE_LABEL_STUDIO_TOKEN")
        yield RunningLabelStudio(
            url=server.url, token=server.token, version=server.version, admin=admin
        )
        admin._http.close()  # a socket left open is a warning, and warnings are errors


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """A large store, to be read; who changes it takes a copy."""
    return large_store(tmp_path_factory.mktemp("large") / "store")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets: ``LABELGATE_DATA``, else ``../shared/data`` beside the clone.

    The sets are not part of the project; without them a test is skipped, in CI it fails.
    """
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LABELGATE_DATA") or beside)
    if not folder.is_dir():
        reason = (
            f"no data sets at {folder}: set LABELGATE_DATA to the folder that holds them "
            "(they are not part of the project)"
        )
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL, where tests make databases of their own."""
    with postgresql(tmp_path_factory.mktemp("postgresql")) as url:
        if url is None:
            missing("PostgreSQL", DATABASE_VARIABLE)
        else:
            yield url


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> Iterator[str]:
    """A database there at the newest schema, of which tests get copies."""
    with new_database(postgresql_server) as url:
        engine = make_engine(url)
        migrate(engine)
        engine.dispose()  # PostgreSQL copies only what nobody is connected to
        yield url


@pytest.fixture
def postgresql_url(postgresql_template: str) -> Iterator[str]:
    """A database of the test's own on a real PostgreSQL, at the newest schema, empty."""
    with copied_database(postgresql_template) as url:
        yield url


@pytest.fixture(scope="session")
def store_url(postgresql_template: str) -> Iterator[str]:
    """A database that all tests of the store share: making one takes longer than most of them."""
    with copied_database(postgresql_template) as url:
        engine = database_at(url).engine
        with engine.begin() as connection:
            name = make_url(url).database
            # Tests of the store end no server: nothing of theirs has to be on disk.
            connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = off'))
        engine.dispose()
        yield url


@pytest.fixture
def emptied_url(store_url: str) -> Iterator[str]:
    """The shared database, empty at the start; tests that change its schema make their own."""
    yield store_url
    engine = database_at(store_url).engine
    empty(engine)
    engine.dispose()


@pytest.fixture
def on_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database of the settings, where a module's tests run on both; see ``tests.stores``."""
    if request.param == "postgresql":
        monkeypatch.setenv("LABELGATE_DATABASE_URL", request.getfixturevalue("emptied_url"))
    yield
    if request.param == "postgresql":
        close_engines()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what ``tests.stores`` names on PostgreSQL too."""
    both, long = runs_on_both(metafunc.definition.path, metafunc.function.__name__)
    if both:
        metafunc.fixturenames.insert(0, "on_store")
        marks = [pytest.mark.long] if long else []
        stores = ["sqlite", pytest.param("postgresql", marks=marks)]
        metafunc.parametrize("on_store", stores, indirect=True)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis, shared: what tests write there is under names of their own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        if url is None:
            missing("Redis", REDIS_VARIABLE)
        else:
            yield url


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing:
    """Where several processes share the tests; see ``tests.sharing``."""
    return Sharing(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for the server gets its mark: ``-m "not label_studio"`` is the quick part.

    They come first: together they take longest.
    """
    for item in items:
        if "label_studio" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.label_studio)
            if group_of(item.nodeid) != "label_studio":
                raise pytest.UsageError(f"{item.nodeid} needs Label Studio: name it in sharing.py")
    items.sort(key=lambda item: group_of(item.nodeid) != "label_studio")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What campaigns of cases took; see ``tests.fuzz``."""
    stats = terminalreporter.stats
    for line in summary([*stats.get("passed", ()), *stats.get("failed", ())]):
        terminalreporter.write_line(line)
