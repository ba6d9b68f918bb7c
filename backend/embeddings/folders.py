"""What a sentence-transformers folder holds, read from its JSON files before anything is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
_READ = frozenset({".json", ".safetensors", ".txt", ".model"})  # what decides the vectors
_OLD_POOLING = {  # the keys of sentence-transformers before 5.4
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


class EncoderError(ValueError):
    """A model of sentence embeddings cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A folder as sentence-transformers writes it.

    ``modules`` are the kinds of its parts in their order, as ("Transformer", "Pooling",
    "Normalize"); ``max_tokens`` is where the model cuts a text, special tokens included.
    ``fingerprint`` is the SHA-256 of all files that decide the vectors.
    """

    path: Path
    fingerprint: str
    modules: tuple[str, ...]
    config: Mapping[str, Any]
    tokenizer_config: Mapping[str, Any]
    pooling: str | None
    normalised: bool
    max_tokens: int
    lower_case: bool
    prompt: str
    prompt_is_pooled: bool

    @property
    def architecture(self) -> str:
        """The kind of transformer, as ``bert``."""
        return str(self.config.get("model_type", "unknown"))


def read_folder(path: Path) -> ModelFolder:
    """The folder's description.

    Raises
        EncoderError: it is no folder of sentence-transformers, or a file of it is malformed.
    """
    if not (path / "modules.json").is_file():
        raise EncoderError(
            f"{path} holds no modules.json, so it is no folder of a sentence-transformers model: "
            "name the folder that SentenceTransformer.save wrote"
        )
    try:
        return _described(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderError(
            f"the model in {path} cannot be read: {error!r}; save it again by "
            "SentenceTransformer.save"
        ) from error


def _described(path: Path) -> ModelFolder:
    parts = sorted(_json(path / "modules.json"), key=lambda part: int(part["idx"]))
    kinds = tuple(str(part["type"]).rpartition(".")[2] for part in parts)
    places = dict(zip(kinds, (path / str(part["path"]) for part in parts), strict=True))
    transformer = places.get("Transformer", path)
    config = _json(transformer / "config.json")
    tokens = _json_or_empty(transformer / "tokenizer_config.json")
    cut = _json_or_empty(transformer / "sentence_bert_config.json")
    pooling = _json(places["Pooling"] / "config.json") if "Pooling" in places else {}
    whole = _json_or_empty(path / "config_sentence_transformers.json")
    prompt = (whole.get("prompts") or {}).get(whole.get("default_prompt_name")) or ""
    return ModelFolder(
        path=path,
        fingerprint=_fingerprint(path),
        modules=kinds,
        config=config,
        tokenizer_config=tokens,
        pooling=_pooling(pooling),
        normalised="Normalize" in places,
        max_tokens=_max_tokens(cut, tokens, config),
        lower_case=bool(cut.get("do_lower_case", False)),
        prompt=str(prompt),
        prompt_is_pooled=bool(pooling.get("include_prompt", True)),
    )


def _pooling(config: Mapping[str, Any]) -> str | None:
    """The one way of pooling; None where there are several, or none."""
    new = config.get("pooling_mode")
    if isinstance(new, str):
        return new
    on = [name for key, name in _OLD_POOLING.items() if config.get(key)]
    return on[0] if len(on) == 1 and new is None else None


def _max_tokens(
    cut: Mapping[str, Any], tokens: Mapping[str, Any], config: Mapping[str, Any]
) -> int:
    """As sentence-transformers: the model's own length, else the tokeniser's, within positions."""
    positions = int(config.get("max_position_embeddings", 512))
    own = cut.get("max_seq_length")
    if own is None:
        own = min(int(tokens.get("model_max_length", positions)), positions)
    return int(own)


def _fingerprint(path: Path) -> str:
    """SHA-256 over the names and contents of the files that decide the vectors."""
    whole = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.suffix in _READ):
        about = file.stat()
        digest = _file_digest(file, about.st_size, about.st_mtime_ns)
        whole.update(f"{file.relative_to(path).as_posix()}\0{digest}\n".encode())
    return whole.hexdigest()


@lru_cache(maxsize=256)
def _file_digest(file: Path, size: int, changed_ns: int) -> str:
    """A file is read again only where its size or its time changed: weights are 100 MB and more."""
    del size, changed_ns
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _json(file: Path) -> Any:
    return orjson.loads(file.read_bytes())


def _json_or_empty(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    found: Mapping[str, Any] = _json(file)
    return found
