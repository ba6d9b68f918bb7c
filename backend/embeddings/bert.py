"""BERT-like encoders in plain numpy: the vectors of sentence-transformers without torch.

Devlin et al. 2019, "BERT: pre-training of deep bidirectional transformers"; the layers and the
names of the weights are those of Hugging Face's ``BertModel``. Texts of one number of tokens make a
batch, so nothing is padded and nothing masked. Held against torch: docs/adr/0018.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from backend.embeddings.folders import TOKENIZER, WEIGHTS, EncoderError, ModelFolder
from policies.domain import IntArray

Vectors = NDArray[np.float32]

_POOLED = ("mean", "cls", "max")
_MODULES = (("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize"))
_LEAST_NORM = 1e-12  # as torch.nn.functional.normalize


@dataclass(frozen=True, slots=True, kw_only=True)
class _Affine:
    """x @ weight + bias, or for a layer norm: scale and shift."""

    weight: Vectors
    bias: Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """One block: self-attention and feed-forward, each with its residual and layer norm."""

    query_key_value: _Affine
    attended: _Affine
    attention_norm: _Affine
    inner: _Affine
    outer: _Affine
    norm: _Affine


@dataclass(frozen=True, slots=True, kw_only=True)
class Bert:
    """The weights of a model, ready to be applied; texts come as token ids."""

    words: Vectors
    positions: Vectors
    norm: _Affine
    layers: tuple[_Layer, ...]
    heads: int
    epsilon: np.float32
    pooling: str
    normalised: bool

    def vectors(self, ids: IntArray) -> Vectors:
        """(texts, tokens) token ids to (texts, dimension)."""
        hidden = self._hidden(ids)
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            pooled = hidden.max(axis=1) if self.pooling == "max" else hidden.mean(axis=1)
        if self.normalised:
            norms = np.linalg.norm(pooled, axis=1, keepdims=True)
            pooled = pooled / np.maximum(norms, np.float32(_LEAST_NORM))
        return pooled

    def _hidden(self, ids: IntArray) -> Vectors:
        texts, tokens = ids.shape
        x = self.words[ids] + self.positions[:tokens]
        x = self._normed(x.reshape(texts * tokens, -1), self.norm)
        for layer in self.layers:
            attended = _applied(self._attention(x, texts, layer), layer.attended)
            attended += x
            x = self._normed(attended, layer.attention_norm)
            outer = _applied(_gelu(_applied(x, layer.inner)), layer.outer)
            outer += x
            x = self._normed(outer, layer.norm)
        return x.reshape(texts, tokens, -1)

    def _attention(self, x: Vectors, texts: int, layer: _Layer) -> Vectors:
        rows, dimension = x.shape
        size = dimension // self.heads
        parts = _applied(x, layer.query_key_value).reshape(texts, -1, 3, self.heads, size)
        query, key, value = parts.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(-1, -2)
        scores *= np.float32(1 / math.sqrt(size))
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed: Vectors = (scores @ value).swapaxes(1, 2).reshape(rows, dimension)
        return mixed

    def _normed(self, x: Vectors, norm: _Affine) -> Vectors:
        """Layer norm, in place."""
        x -= x.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
        x /= np.sqrt(variance + self.epsilon)[:, None]
        x *= norm.weight
        x += norm.bias
        return x


def lacking(folder: ModelFolder) -> str | None:
    """What of this folder goes beyond this runtime, in words; None where it can be run."""
    config = folder.config
    kinds = " + ".join(folder.modules)
    reasons = {
        f"its architecture is {folder.architecture}, not bert": folder.architecture != "bert",
        f"it is made of {kinds}": folder.modules not in _MODULES,
        f"it pools by {folder.pooling or 'several ways'}": folder.pooling not in _POOLED,
        f"its activation is {config.get('hidden_act')}, not gelu": (
            config.get("hidden_act", "gelu") != "gelu"
        ),
        "its positions are not absolute": (
            config.get("position_embedding_type", "absolute") != "absolute"
        ),
        "it is a decoder": bool(config.get("is_decoder")),
        "its prompt is left out of the pooling": (
            bool(folder.prompt) and not folder.prompt_is_pooled
        ),
        "its config.json has no hidden_size": not isinstance(config.get("hidden_size"), int),
        f"it has no {TOKENIZER}": not (folder.path / TOKENIZER).is_file(),
        f"it has no {WEIGHTS}": not (folder.path / WEIGHTS).is_file(),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def load_bert(folder: ModelFolder) -> Bert:
    """The model of a folder that ``lacking`` has nothing against.

    Raises
        EncoderError: its weights are not those of its config, or not of 32 bits.
    """
    try:
        weights = import_module("safetensors.numpy").load_file(folder.path / WEIGHTS)
        return _bert(folder, _named(weights))
    except (OSError, KeyError, ValueError, TypeError, ImportError) as error:
        raise EncoderError(f"the weights in {folder.path} cannot be read: {error}") from error
    except import_module("safetensors").SafetensorError as error:
        raise EncoderError(f"the weights in {folder.path} are damaged: {error}") from error


def _named(weights: Mapping[str, Any]) -> dict[str, Vectors]:
    """Weights by their names in ``BertModel``; those of a larger model carry ``bert.`` before."""
    floats = {
        name.removeprefix("bert."): array
        for name, array in weights.items()
        if array.dtype.kind == "f"
    }
    other = sorted({str(each.dtype) for each in floats.values()} - {"float32"})
    if other:
        raise ValueError(f"they are {' and '.join(other)}: save the model in float32")
    return floats


def _bert(folder: ModelFolder, weights: Mapping[str, Vectors]) -> Bert:
    config = folder.config
    kinds = weights["embeddings.token_type_embeddings.weight"]
    made = Bert(
        words=weights["embeddings.word_embeddings.weight"],
        positions=weights["embeddings.position_embeddings.weight"] + kinds[0],  # one kind of text
        norm=_norm(weights, "embeddings.LayerNorm"),
        layers=tuple(
            _layer(weights, f"encoder.layer.{number}.")
            for number in range(int(config["num_hidden_layers"]))
        ),
        heads=int(config["num_attention_heads"]),
        epsilon=np.float32(config.get("layer_norm_eps", 1e-12)),
        pooling=folder.pooling or "mean",
        normalised=folder.normalised,
    )
    if made.words.shape[1] != config["hidden_size"] or made.words.shape[1] % made.heads:
        raise ValueError(f"{made.words.shape[1]} columns are not what config.json says")
    if folder.max_tokens > len(made.positions):
        raise ValueError(
            f"texts are cut at {folder.max_tokens} tokens, but there are {len(made.positions)} "
            "positions"
        )
    return made


def _layer(weights: Mapping[str, Vectors], name: str) -> _Layer:
    asked = [_dense(weights, f"{name}attention.self.{part}") for part in ("query", "key", "value")]
    return _Layer(
        query_key_value=_Affine(
            weight=np.concatenate([part.weight for part in asked], axis=1),
            bias=np.concatenate([part.bias for part in asked]),
        ),
        attended=_dense(weights, f"{name}attention.output.dense"),
        attention_norm=_norm(weights, f"{name}attention.output.LayerNorm"),
        inner=_dense(weights, f"{name}intermediate.dense"),
        outer=_dense(weights, f"{name}output.dense"),
        norm=_norm(weights, f"{name}output.LayerNorm"),
    )


def _dense(weights: Mapping[str, Vectors], name: str) -> _Affine:
    return _Affine(
        weight=np.ascontiguousarray(weights[f"{name}.weight"].T), bias=weights[f"{name}.bias"]
    )


def _norm(weights: Mapping[str, Vectors], name: str) -> _Affine:
    return _Affine(weight=weights[f"{name}.weight"], bias=weights[f"{name}.bias"])


def _applied(x: Vectors, part: _Affine) -> Vectors:
    made: Vectors = x @ part.weight
    made += part.bias
    return made


def _gelu(x: Vectors) -> Vectors:
    """The exact Gaussian error linear unit, as torch's default."""
    share = x * np.float32(math.sqrt(0.5))
    erf(share, out=share)
    share += np.float32(1)
    share *= x
    share *= np.float32(0.5)
    return share
