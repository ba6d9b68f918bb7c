"""How two processes share the tests: what needs one thing that is dear stays in one of them.

pytest-xdist 3.8 does this by the mark ``xdist_group``, which it writes into a test's name; pytest
9.2 keeps names where it does not look, so the groups are told by the folders here.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

# One running Label Studio, and one large store.
_SERVER = (
    "tests/backend/foreign/test_label_studio_ml.py",
    "tests/connectors/test_local_server.py",
    "tests/contract/",
    "tests/end_to_end/",
    "tests/guides/test_quickstart.py",
    "tests/guides/test_tutorial.py",
)
_INSTALLATION = ("tests/faults/",)  # one of their own, Label Studio included, that they hurt
_STORE = ("tests/benchmarks/test_large_store.py", "tests/browser/test_tour.py")
_FILES = ("tests/browser/", "tests/benchmarks/", "tests/test_wheel.py", "tests/guides/")


def group_of(nodeid: str) -> str:
    """The group of a test by its name; a test that shares nothing is a group of its own.

    >>> group_of("tests/end_to_end/test_loop.py::test_it")
    'label_studio'
    >>> group_of("tests/test_wheel.py::test_it")
    'tests/test_wheel.py'
    """
    if nodeid.startswith(_SERVER):
        return "label_studio"
    if nodeid.startswith(_INSTALLATION):
        return "installation"
    if nodeid.startswith(_STORE):
        return "large_store"
    return nodeid.split("::", 1)[0] if nodeid.startswith(_FILES) else nodeid


class Sharing(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """Hands out groups, the first of the collection first."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
