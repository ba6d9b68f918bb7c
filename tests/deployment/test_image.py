"""The Dockerfile by a linter, and by what the image promises. Building it: test_clean_root.py."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
SCRIPT = ROOT / "docker" / "add_label_studio_ml.sh"


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def test_the_linter_finds_nothing() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    ended = subprocess.run(
        [hadolint, "--failure-threshold", "info", DOCKERFILE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_stage_stands_on_an_image_that_is_pinned_by_digest() -> None:
    said = instructions()
    images = dict(rest.split("=", 1) for word, rest in said if word == "ARG" and "=" in rest)
    bases = [rest.split(" AS ")[0] for word, rest in said if word == "FROM"]
    stages = {rest.split(" AS ")[1] for word, rest in said if word == "FROM"}
    named = [images[base.strip("${}")] for base in bases if base not in stages]
    assert named
    for image in named:
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image)


def test_what_is_installed_has_a_hash_or_was_built_here() -> None:
    for word, rest in instructions():
        for installed in re.findall(r"install --quiet [^&]*", rest if word == "RUN" else ""):
            assert "--require-hashes" in installed or "--no-index" in installed, installed


def test_the_image_is_no_root_and_listens_only_with_a_password() -> None:
    said = instructions()
    last = max(index for index, (word, _) in enumerate(said) if word == "FROM")
    image = said[last:]
    assert ("USER", "10001:10001") in image
    assert ("ENTRYPOINT", '["labelgate"]') in image
    assert any(word == "HEALTHCHECK" and '"ready", "--web"' in rest for word, rest in image)
    # Beyond loopback the program itself asks for credentials: tests/backend/test_web_server.py.
    assert any(word == "ENV" and "LABELGATE_HOST=0.0.0.0" in rest for word, rest in image)


def test_the_context_holds_what_is_copied_and_no_data() -> None:
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in let_in
    copied = [
        place
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for place in rest.split()[:-1]
    ]
    assert copied
    for place in copied:
        assert (ROOT / place).exists(), place
        assert any(line[1:].startswith(place) for line in let_in if line[:1] == "!"), place


@pytest.mark.parametrize(
    ("source", "sha256", "said"),
    [
        ("git+https://host.example/ml.git@main", "", "'main' is no commit"),
        ("git+https://host.example/ml.git@abc123", "", "has 6 digits: give all 40"),
        ("git+https://host.example/ml.git", "", "git+https://ADDRESS@COMMIT"),
        ("../ml.whl", "", "no path"),
        ("ml.whl", "", "set LABEL_STUDIO_ML_SHA256"),
        ("ml.whl", "0" * 64, "docker/wheels has no such file"),
        ("label-studio-ml==2.0", "", "give the name of a wheel"),
    ],
)
def test_a_library_that_could_be_another_tomorrow_is_refused(
    source: str, sha256: str, said: str
) -> None:
    ended = subprocess.run(
        ["/bin/sh", SCRIPT, source, sha256], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert said in ended.stderr


def test_without_a_library_nothing_is_added() -> None:
    subprocess.run(["/bin/sh", SCRIPT, "", ""], check=True)


def test_the_image_has_the_python_that_the_tests_run_on() -> None:
    tag = re.search(r"python:(\d+\.\d+)", DOCKERFILE.read_text(encoding="utf-8"))
    assert tag is not None
    if tag[1] != f"{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip(f"run the tests on Python {tag[1]} to test what the image has")
