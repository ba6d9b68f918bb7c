"""The Kubernetes objects by the schemas of Kubernetes, and by what they promise of every pod."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from backend.settings import Settings
from labelgate import COMMANDS

FOLDER = Path(__file__).parents[2] / "docker" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
KUSTOMIZATION = "kustomization.yaml"
# The oldest whose schemas know the pause before a stop (preStop.sleep) without a feature gate, and
# the newest that the validator has.
VERSIONS = ("1.30.0", kubernetes_validate.latest_version())
SETTINGS = {f"LABELGATE_{name.upper()}" for name in Settings.model_fields}


def documents(*names: str) -> Iterator[dict[str, Any]]:
    for file in FILES:
        if file.name != KUSTOMIZATION and (not names or file.name in names):
            yield from yaml.safe_load_all(file.read_text(encoding="utf-8"))


def pods() -> dict[str, dict[str, Any]]:
    """The pod of each object that makes pods, by the object's name."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in documents()
        if each["kind"] in {"Deployment", "Job"}
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_what_kubernetes_takes(version: str) -> None:
    seen = 0
    for each in documents():
        kubernetes_validate.validate(each, version, strict=True)
        seen += 1
    assert seen > 10


def test_the_validator_would_find_a_wrong_field() -> None:
    wrong = next(each for each in documents("web.yaml") if each["kind"] == "Deployment")
    wrong["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_kustomize_applies_every_file_but_the_example_of_secrets() -> None:
    applied = yaml.safe_load((FOLDER / KUSTOMIZATION).read_text(encoding="utf-8"))["resources"]
    assert set(applied) == {file.name for file in FILES} - {KUSTOMIZATION, "secrets.example.yaml"}


def test_every_pod_is_locked_in() -> None:
    found = pods()
    assert len(found) == 4
    for name, pod in found.items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name
            written = {each["mountPath"] for each in container["volumeMounts"]}
            assert written == {"/data", "/tmp", "/run/secrets"}, name  # noqa: S108


def test_every_container_runs_a_command_that_there_is() -> None:
    for pod in pods().values():
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            assert container["args"][0] in COMMANDS
            assert "command" not in container, "the image's entry point is the program"


def test_every_process_that_goes_on_waits_for_the_schema_and_has_a_probe() -> None:
    for each in documents():
        if each["kind"] == "Deployment":
            spec = each["spec"]["template"]["spec"]
            assert [first["args"][:2] for first in spec["initContainers"]] == [["ready", "--wait"]]
            assert all("readinessProbe" in container for container in spec["containers"])
    (config,) = documents("config.yaml")
    assert config["data"]["LABELGATE_MIGRATE_AT_START"] == "false"


def test_the_web_probes_ask_routes_that_are_open() -> None:
    web = pods()["labelgate-web"]["spec"]["containers"][0]
    assert web["livenessProbe"]["httpGet"]["path"] == "/health"
    assert web["startupProbe"]["httpGet"]["path"] == "/health"
    assert web["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_what_is_set_is_a_setting_and_secrets_are_in_the_secret_alone() -> None:
    (config,), (secret,) = documents("config.yaml"), documents("secrets.example.yaml")
    secrets = {name.upper() for name in secret["stringData"]}
    assert set(config["data"]) <= SETTINGS
    assert secrets <= SETTINGS
    for name in set(config["data"]) - {"LABELGATE_SECRETS_DIR"}:
        assert not any(word in name for word in ("PASSWORD", "TOKEN", "SECRET")), name


def test_selectors_find_the_pods_they_are_meant_for() -> None:
    labels = [pod["metadata"]["labels"] for pod in pods().values()]
    for each in documents():
        spec = each.get("spec", {})
        wanted = spec.get("selector") or spec.get("podSelector")
        if each["kind"] in {"Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"}:
            wanted = wanted.get("matchLabels", wanted)
            assert any(wanted.items() <= found.items() for found in labels), each["metadata"]
