"""What a real Label Studio leaves of somebody whose account is deleted, and what is kept here."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit_jobs.running import run_job
from backend.erasure import erase_annotator
from backend.errors import ErasureError
from backend.store.votes import human_votes
from connectors.annotation_tool import UNKNOWN_USER
from tests.end_to_end.policies_on_stage import write_policy
from tests.end_to_end.stage import make_stage
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until


def test_answers_of_a_deleted_account_have_no_author_there_and_a_pseudonym_here(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    with make_stage(label_studio, tmp_path, 3) as stage:
        answered, *_ = sorted(stage.truth)
        policy = write_policy(stage, tmp_path / "policy.yaml", after=100)
        with stage.running("web", tmp_path / "web.log"):
            until(stage.healthy, "labelgate web answers")
            stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
        leaver, stage.tokens["leaver"] = label_studio.new_user("leaver")
        stage.label("leaver", answered)
        run_job(stage.runtime, "sync", stage.project)
        with pytest.raises(ErasureError, match="still a member"):
            erase_annotator(stage.runtime, leaver, "a test")

        label_studio.admin.once("DELETE", f"/api/users/{leaver}/", None)
        (task,) = stage.runtime.tool().answers_to(stage.project_id, [answered])
        assert [each.user_id for each in task.annotations] == [UNKNOWN_USER]
        found = erase_annotator(stage.runtime, leaver, "a test")
        run_job(stage.runtime, "reconcile", stage.project)

        with stage.runtime.reads() as session:
            votes = human_votes(session, stage.project_id)
        assert [vote.user_id for vote in votes] == [found.pseudonym]
