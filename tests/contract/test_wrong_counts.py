"""Answers that Label Studio counts wrongly, as a recount during an answer leaves them."""

from __future__ import annotations

from pathlib import Path

from connectors.annotation_tool import Prelabel
from tests.end_to_end.stage import make_stage
from tests.running_label_studio import RunningLabelStudio


def test_an_answer_that_is_counted_as_none_is_read(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    with make_stage(label_studio, tmp_path, 3) as stage:
        answered, *_ = sorted(stage.truth)
        stage.label("ann", answered)
        wrong = stage.client.patch(f"/api/tasks/{answered}/", json={"total_annotations": 0})
        assert wrong.status_code == 200, wrong.text
        task = stage.task(answered)
        assert (task["is_labeled"], task["total_annotations"]) == (True, 0)

        tool = stage.runtime.tool()
        (page,) = tool.annotated_since(stage.project_id, None)
        assert [(each.id, len(each.annotations)) for each in page] == [(answered, 1)]
        (found,) = tool.annotated_among(stage.project_id, sorted(stage.truth))
        assert found.id == answered

        wrong = stage.client.patch(f"/api/tasks/{answered}/", json={"is_labeled": False})
        assert wrong.status_code == 200, wrong.text
        assert list(tool.annotated_since(stage.project_id, None)) == []
        (found,) = tool.answers_to(stage.project_id, sorted(stage.truth))
        assert (found.id, len(found.annotations)) == (answered, 1)
        (page,) = tool.all_with_annotations(stage.project_id)
        assert {each.id: len(each.annotations) for each in page} == {
            each: int(each == answered) for each in stage.truth
        }


def test_a_prediction_that_is_counted_as_none_is_found_and_cleared(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    """As a server leaves it that dies between the rows of an import and their count."""
    with make_stage(label_studio, tmp_path, 3) as stage:
        predicted, plain, _ = sorted(stage.truth)
        marker = Prelabel(task_id=predicted, model_version="labelgate: general", result=[], score=0)
        tool = stage.runtime.tool()
        assert tool.import_predictions(stage.project_id, [marker, marker]) == 2
        wrong = stage.client.patch(f"/api/tasks/{predicted}/", json={"total_predictions": 0})
        assert wrong.status_code == 200, wrong.text
        assert stage.task(predicted)["total_predictions"] == 0

        assert tool.predicted_among(stage.project_id, [predicted, plain]) == [predicted]
        tool.clear_predictions(stage.project_id, [predicted])
        assert stage.task(predicted)["predictions"] == []
