"""A text backend on label-studio-ml 1.0.9, run in its own environment by its own server's command.

TF-IDF of words and a logistic regression, as its examples of text have it; the pipeline is kept as
numbers and words, so nothing is unpickled. What it learns from is a file of texts and labels that
``PEER_EXAMPLES`` names: its own way, an export of the whole project at each event, would only make
it slower. Run: ``gunicorn --preload --workers 1 --threads 8 --timeout 0 text_backend:app``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline


class TextBackend(LabelStudioMLBase):  # type: ignore[misc]  # it tells no types
    """Answers with the likeliest label and its probability; the first label before a training."""

    TRAIN_EVENTS = (*LabelStudioMLBase.TRAIN_EVENTS, "START_TRAINING")

    def __init__(self, **kwargs: Any) -> None:
        """Called at each ``/setup``: reads the config, and the pipeline of the last training."""
        super().__init__(**kwargs)
        self.from_name, told = next(iter(self.parsed_label_config.items()))
        self.to_name = told["to_name"][0]
        self.key = told["inputs"][0]["value"]
        self.labels = told["labels"]
        folder = self.train_output.get("folder")
        self.pipeline = None if folder is None else loaded(Path(folder))

    def predict(self, tasks: Sequence[Mapping[str, Any]], **_: Any) -> list[dict[str, Any]]:
        """One answer a task."""
        texts = [task["data"][self.key] for task in tasks]
        if self.pipeline is None:
            return [self._answer(self.labels[0], 0.1) for _ in texts]
        probabilities = self.pipeline.predict_proba(texts)
        columns = probabilities.argmax(axis=1)
        return [
            self._answer(self.pipeline.classes_[column], float(row[column]))
            for row, column in zip(probabilities, columns, strict=True)
        ]

    def fit(self, _tasks: Iterable[Any], workdir: str, **_: Any) -> dict[str, str]:
        """Learn everything anew; runs in a process that the server forks for each event."""
        examples = json.loads(Path(os.environ["PEER_EXAMPLES"]).read_text(encoding="utf-8"))
        pipeline = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1_000)
        )
        store(pipeline.fit(examples["texts"], examples["labels"]), Path(workdir))
        return {"folder": workdir}

    def _answer(self, label: str, score: float) -> dict[str, Any]:
        item = {
            "from_name": self.from_name,
            "to_name": self.to_name,
            "type": "choices",
            "value": {"choices": [label]},
        }
        return {"result": [item], "score": score}


def store(pipeline: Pipeline, folder: Path) -> None:
    """The pipeline as two files."""
    vectorizer, regression = (step for _, step in pipeline.steps)
    words = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.get)
    (folder / "words.txt").write_text("\n".join(words), encoding="utf-8")
    np.savez(
        folder / "numbers.npz",
        idf=vectorizer.idf_,
        coef=regression.coef_,
        intercept=regression.intercept_,
        classes=np.asarray(regression.classes_, np.str_),
    )


def loaded(folder: Path) -> Pipeline:
    """What ``store`` wrote; takes as long as to unpickle the pipeline."""
    listed = (folder / "words.txt").read_text(encoding="utf-8").split("\n")
    words = {word: place for place, word in enumerate(listed)}
    numbers = np.load(folder / "numbers.npz", allow_pickle=False)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), vocabulary=words)
    vectorizer.idf_ = numbers["idf"]
    regression = LogisticRegression()
    regression.classes_, regression.coef_ = numbers["classes"], numbers["coef"]
    regression.intercept_ = numbers["intercept"]
    regression.n_features_in_ = len(words)
    return make_pipeline(vectorizer, regression)


app = init_app(TextBackend, model_dir=os.environ["MODEL_DIR"])
