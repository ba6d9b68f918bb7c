"""Shared by all tests: one running Label Studio per test run, and the folder of real data sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types
from xdist.remote import Producer

from connectors.label_studio.connection import Connection
from connectors.label_studio.local_server import start_label_studio
from tests.running_label_studio import RunningLabelStudio
from tests.sharing import Sharing, group_of

# Vectors are a matter of tests of their own: with them a text shows its label only once a worker
# has encoded it, and each process loads a model. Processes that tests start inherit it.
os.environ.setdefault("LABELGATE_EMBEDDINGS", "off")

# Tables of tests are small: BLAS's threads wait for each other, in a loop, for longer than they
# work. Simulations took four times the processor time with two of them. scipy.linalg is imported
# because only libraries that are there already are limited.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for processes that tests start
threadpool_limits(limits=1)


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
