"""A real server of the ML backend contract: label-studio-ml 1.0.9 with its packages of 2022."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from backend.predictors.foreign.predictor import ForeignPredictor
from backend.predictors.foreign.upstream import UpstreamSource
from connectors.model_servers.server import ModelServer
from policies.models import Upstream
from tests.fakes.foreign_questions import LABEL_CONFIG, asked, rows
from tests.fakes.label_studio_ml_program import label_studio_ml
from tests.fakes.model_servers import LOOPBACK

PATIENCE_S = 60.0


@pytest.mark.label_studio
def test_it_answers_trains_and_answers_as_another_version(tmp_path: Path) -> None:
    with label_studio_ml(tmp_path) as url:
        source = UpstreamSource(
            model=Upstream(kind="upstream", url=url, batch=2),
            server=ModelServer(url, destinations=LOOPBACK),
            project_id=7,
            hostname="http://127.0.0.1:8080",
        )
        texts = ["apples", "bread", "a pear"]
        assert source.reported(LABEL_CONFIG) == "INITIAL"
        first = ForeignPredictor(version="v1", labels=("A", "B"), source=source, reported="INITIAL")
        assert rows(first.predict(asked(texts))) == [("B", 0.5, None)] * 3

        source.train(LABEL_CONFIG)
        until = time.monotonic() + PATIENCE_S
        while (version := source.reported(LABEL_CONFIG)) == "INITIAL":
            assert time.monotonic() < until, "it did not train"
        assert version.isdigit()  # the time of the training

        assert "answers as version" in str(first.predict(asked(texts)).problems[0])
        second = ForeignPredictor(version="v2", labels=("A", "B"), source=source, reported=version)
        expected = [("A", 0.9, None), ("B", 0.9, None), ("A", 0.9, None)]
        assert rows(second.predict(asked(texts))) == expected
