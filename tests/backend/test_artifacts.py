from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer
from skops.io import dumps

from backend.predictors.artifacts import ALLOWED_TYPES, load, save
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.errors import ArtifactError
from backend.predictors.model_files import Artifact
from backend.predictors.protocol import ModelInput
from connectors.label_studio.labeling import InputKind
from policies.domain import FloatArray
from tests.fakes.predictors import predictor_of

TEXTS: list[ModelInput] = ["goal match", "bank price", "the goal", "a price", "Grüße 世界"] * 4
LABELS = ["sport", "money", "sport", "money", "money"] * 4


@pytest.fixture(scope="module")
def model() -> EmbeddedPredictor:
    return predictor_of(TEXTS, LABELS)


def chances(predictor: EmbeddedPredictor, inputs: Sequence[ModelInput]) -> FloatArray:
    found = predictor.controls["label"].model.answers(inputs).probabilities
    assert found is not None
    return found


def test_a_loaded_text_model_answers_exactly_as_before(
    tmp_path: Path, model: EmbeddedPredictor
) -> None:
    artifact = save(tmp_path, 7, replace(model, version="p7-v3"))
    loaded = load(tmp_path, artifact, "p7-v3", ["money", "sport"])
    assert loaded.version == "p7-v3"
    assert loaded.labels == ("money", "sport")
    assert np.array_equal(chances(loaded, TEXTS), chances(model, TEXTS))


@pytest.mark.parametrize("classes", [2, 4])
def test_a_loaded_image_model_answers_exactly_as_before(tmp_path: Path, classes: int) -> None:
    rng = np.random.default_rng(0)
    values: list[ModelInput] = list(rng.uniform(0, 1, (40, 12)))
    labels = [str(row % classes) for row in range(40)]
    model = predictor_of(values, labels, kind=InputKind.IMAGE)
    loaded = load(tmp_path, save(tmp_path, 1, model), "v1", model.labels)
    assert np.array_equal(chances(loaded, values), chances(model, values))


def test_the_name_is_readable_and_safe_and_holds_the_hash(
    tmp_path: Path, model: EmbeddedPredictor
) -> None:
    artifact = save(tmp_path, 7, replace(model, version="../v 3/ü"))
    path = tmp_path / artifact.path
    assert path.parent == tmp_path / "7"
    assert path.name == f"v-3-{artifact.sha256[:16]}.skops"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == artifact.sha256


def test_nothing_but_whole_files_is_left(tmp_path: Path, model: EmbeddedPredictor) -> None:
    artifact = save(tmp_path, 7, model)
    assert [path.name for path in (tmp_path / "7").iterdir()] == [Path(artifact.path).name]


def test_another_model_of_the_same_version_overwrites_nothing(
    tmp_path: Path, model: EmbeddedPredictor
) -> None:
    first = save(tmp_path, 7, model)
    before = (tmp_path / first.path).read_bytes()
    second = save(tmp_path, 7, predictor_of(TEXTS[:10], LABELS[:10]))
    assert first.path != second.path
    assert (tmp_path / first.path).read_bytes() == before


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"7/gone\.skops: it cannot be read .* backup"):
        load(tmp_path, Artifact(path="7/gone.skops", sha256="0" * 64), "v1", ["a"])


@pytest.mark.parametrize("damage", ["half", "empty", "flip", "other"])
def test_a_damaged_file_is_refused_by_its_hash(
    tmp_path: Path, model: EmbeddedPredictor, damage: str
) -> None:
    artifact = save(tmp_path, 7, model)
    path = tmp_path / artifact.path
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "half": content[:middle],
            "empty": b"",
            "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "other": dumps({"format": 1}),
        }[damage]
    )
    with pytest.raises(ArtifactError, match="damaged or was exchanged"):
        load(tmp_path, artifact, "v1", model.labels)


@pytest.mark.parametrize("path", ["../secret.skops", "/etc/hostname", "7/../../secret.skops"])
def test_a_path_outside_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.skops").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="outside the folder"):
        load(folder, Artifact(path=path, sha256=hashlib.sha256(b"x").hexdigest()), "v1", ["a"])


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.skops").write_bytes(b"x")
    (folder / "link.skops").symlink_to(tmp_path / "secret.skops")
    artifact = Artifact(path="link.skops", sha256=hashlib.sha256(b"x").hexdigest())
    with pytest.raises(ArtifactError, match="outside the folder"):
        load(folder, artifact, "v1", ["a"])


def test_a_file_of_other_labels_is_refused(tmp_path: Path, model: EmbeddedPredictor) -> None:
    artifact = save(tmp_path, 7, model)
    with pytest.raises(ArtifactError, match=r"it knows the labels \['money', 'sport'\]"):
        load(tmp_path, artifact, "v1", ["sport", "money"])


def stored(folder: Path, content: bytes) -> Artifact:
    """A file whose hash is right, as if the store itself had been made to trust it."""
    (folder / "x.skops").write_bytes(content)
    return Artifact(path="x.skops", sha256=hashlib.sha256(content).hexdigest())


def with_node(content: bytes, module: str, name: str) -> bytes:
    """The file with one entry more, which asks for an object of the given type."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    schema: dict[str, Any] = json.loads(parts["schema.json"])
    schema["content"]["memory"] = {
        "__class__": name,
        "__module__": module,
        "__loader__": "ObjectNode",
        "__id__": 1,
        "content": None,
    }
    parts["schema.json"] = json.dumps(schema).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for entry, part in parts.items():
            archive.writestr(entry, part)
    return buffer.getvalue()


@pytest.mark.parametrize(("module", "name"), [("subprocess", "Popen"), ("pathlib", "Path")])
def test_a_type_that_is_not_allowed_is_refused(
    tmp_path: Path, model: EmbeddedPredictor, module: str, name: str
) -> None:
    honest = (tmp_path / save(tmp_path, 7, model).path).read_bytes()
    artifact = stored(tmp_path, with_node(honest, module, name))
    with pytest.raises(ArtifactError, match=rf"not allowed: .*{module}\.{name}"):
        load(tmp_path, artifact, "v1", model.labels)


def test_a_function_of_this_machine_is_refused(tmp_path: Path, model: EmbeddedPredictor) -> None:
    content = dumps(
        {
            "format": 1,
            "pipeline": FunctionTransformer(func=print),
            "labels": list(model.labels),
            "inverse_temperature": 1.0,
        }
    )
    with pytest.raises(ArtifactError):
        load(tmp_path, stored(tmp_path, content), "v1", model.labels)


@pytest.mark.parametrize(
    "content",
    [
        b"no zip at all",
        dumps([1, 2]),
        dumps({"format": 1, "controls": [{}], "memory": {}}),
        dumps({"format": 4, "controls": [], "memory": {}}),
    ],
)
def test_a_file_that_holds_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"no skops file|no model of this form"):
        load(tmp_path, stored(tmp_path, content), "v1", ["a"])


def test_nothing_is_allowed_beyond_what_was_read() -> None:
    assert ALLOWED_TYPES == ()
