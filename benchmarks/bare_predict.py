"""The named peer of ``benchmarks.predict``: the least code that answers ``/predict`` at all.

A Flask route, orjson, and the same scikit-learn model, with no policy, store, checks or metrics,
under the very server that ``labelgate web`` runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
from flask import Flask, Response, request

from backend.predictors.artifacts import load
from backend.predictors.model_files import Artifact
from backend.web import server
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import parse_labeling


def bare_app(folder: Path, artifact: Artifact, version: str, config: str) -> Flask:
    """The app; loads the model at once."""
    labeling = parse_labeling(config)
    predictor = load(folder, artifact, version, sorted(labeling.labels))
    model = predictor.controls[labeling.from_name].model
    results = {label: result_of(labeling, label) for label in predictor.labels}
    app = Flask("bare")

    @app.post("/predict")
    def predict() -> Response:
        tasks = orjson.loads(request.get_data())["tasks"]
        said = model.answers([task["data"]["text"] for task in tasks])
        answers = [
            {"result": results[label], "score": score, "model_version": version}
            for label, score in zip(said.texts.tolist(), said.scores.tolist(), strict=True)
        ]
        body = orjson.dumps({"results": answers, "model_version": version})
        return Response(body, content_type="application/json")

    return app


def main() -> None:
    """``python -m benchmarks.bare_predict PORT THREADS FOLDER PATH SHA256 VERSION CONFIG``."""
    port, threads, folder, path, sha256, version, config = sys.argv[1:]
    listener = server.listen("127.0.0.1", int(port))
    app = bare_app(Path(folder), Artifact(path=path, sha256=sha256), version, config)
    server.run(app, listener, int(threads))


if __name__ == "__main__":
    main()
