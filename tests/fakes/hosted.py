"""Hosted classes of tests/stand_ins, with label-studio-ml's stand-in on their path alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.hosting.host import Host
from backend.hosting.spec import HostSpec, host_spec
from backend.predictors.foreign.hosted import HostedSource
from backend.settings import Settings
from connectors.model_servers.circuit import Circuit
from policies.models import Hosted

ROOT = Path(__file__).parents[2]
STAND_INS = ROOT / "tests" / "stand_ins"
PATH = os.pathsep.join(map(str, (STAND_INS, ROOT)))


def model(name: str, **more: Any) -> Hosted:
    words = {"kind": "label-studio-ml", "class": f"hosted_classes:{name}"}
    return Hosted.model_validate(words | more)


def spec_of(folder: Path, project_id: int, hosted: Hosted, **settings: Any) -> HostSpec:
    made = host_spec(Settings(data_dir=folder, **settings), project_id, hosted)
    return replace(made, environment={**made.environment, "PYTHONPATH": PATH})


@contextmanager
def hosting(spec: HostSpec, **more: Any) -> Iterator[Host]:
    host = Host(spec, circuit=more.pop("circuit", None) or Circuit(), **more)
    try:
        yield host
    finally:
        host.close()


@contextmanager
def source(
    folder: Path, hosted: Hosted, project_id: int = 7, **settings: Any
) -> Iterator[HostedSource]:
    spec = spec_of(folder, project_id, hosted, **settings)
    with hosting(spec) as host:
        yield HostedSource(model=hosted, host=host, folder=spec.folder, project_id=project_id)
