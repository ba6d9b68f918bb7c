"""Models beyond the numpy runtime, by sentence-transformers where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from backend.embeddings.bert import Vectors
from backend.embeddings.folders import EncoderError

_NEEDED = ("torch", "sentence_transformers")


@lru_cache(maxsize=1)
def torch_encoding(
    path: Path, fingerprint: str, lacks: str
) -> tuple[Callable[[Sequence[str]], Vectors], int]:
    """The function from texts to vectors on the CPU, and the vectors' dimension.

    Only safetensors are loaded, no code of the model's folder is run, nothing is downloaded.
    ``lacks`` says why it has to be torch; ``fingerprint`` tells two states of one folder apart.

    Raises
        EncoderError: the packages are not installed, or they cannot load the model.
    """
    del fingerprint
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise EncoderError(
            f"the model in {path} cannot be run without torch, because {lacks}: choose a BERT-like "
            "model such as all-MiniLM-L6-v2, or pip install sentence-transformers (and torch)"
        )
    library = import_module("sentence_transformers")
    try:
        model = library.SentenceTransformer(
            str(path),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, ImportError) as error:
        raise EncoderError(f"sentence-transformers cannot load {path}: {error}") from error

    def encode(texts: Sequence[str]) -> Vectors:
        made = model.encode(list(texts), show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(made, np.float32)

    return encode, int(encode([""]).shape[1])
