"""Texts as token ids, by the tokenizer that lies in the model's folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from backend.embeddings.folders import TOKENIZER, EncoderError, ModelFolder

# The end of a longer text is never seen: a model reads 512 tokens at most, and splitting megabytes
# of text only to drop them would hold up everything else.
_MOST_CHARACTERS = 100_000

Tokenize = Callable[[str], Sequence[int]]


def load_tokenizer(folder: ModelFolder) -> Tokenize:
    """A function from a text to its token ids, cut where the model cuts.

    Raises
        EncoderError: the tokenizer's file is malformed, or contradicts its config.
    """
    path = folder.path / TOKENIZER
    try:
        tokenizer = import_module("tokenizers").Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise EncoderError(f"{path} cannot be read: {error}") from error
    _refuse_contradictions(folder, tokenizer)
    if folder.lower_case:
        _lower(tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(folder.max_tokens)

    def tokenize(text: str) -> Sequence[int]:
        ids: list[int] = tokenizer.encode(_readable(folder.prompt + text)).ids
        return ids

    return tokenize


def _readable(text: str) -> str:
    """No half characters (lone surrogates), which JSON can carry and no tokenizer takes."""
    return text[:_MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _refuse_contradictions(folder: ModelFolder, tokenizer: Any) -> None:
    """BERT's tokenizer_config.json wins over tokenizer.json where sentence-transformers reads it.

    Such a folder is rare, and read in two ways it would give two vectors: better none.
    """
    normalizer = tokenizer.normalizer
    for key, attribute in (
        ("do_lower_case", "lowercase"),
        ("strip_accents", "strip_accents"),
        ("tokenize_chinese_chars", "handle_chinese_chars"),
    ):
        if key not in folder.tokenizer_config or not hasattr(normalizer, attribute):
            continue
        said, does = folder.tokenizer_config[key], getattr(normalizer, attribute)
        if said != does:
            raise EncoderError(
                f"{folder.path}: tokenizer_config.json says {key} = {said!r}, {TOKENIZER} has "
                f"{attribute} = {does!r}: load the model by sentence-transformers and save it again"
            )


def _lower(tokenizer: Any) -> None:
    """As sentence-transformers for a model with ``do_lower_case``: before all other changes."""
    normalizers = import_module("tokenizers.normalizers")
    first = [normalizers.Lowercase()]
    rest = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([*first, *rest])
