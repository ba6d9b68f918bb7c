"""Another policy on a real Label Studio: views follow its tiers, decisions name its hash."""

from __future__ import annotations

from pathlib import Path

from backend.store.decisions import current_decisions
from backend.store.ledger_check import verify_ledger
from policies.loading import load_policy, policy_hash
from tests.end_to_end.policies_on_stage import emails_of, write_policy
from tests.end_to_end.stage import Stage, make_stage
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until


def hashes(stage: Stage) -> set[str]:
    with stage.runtime.reads() as session:
        return {entry.grounds.policy_hash for entry in current_decisions(session, stage.project_id)}


def with_an_expert(stage: Stage, file: Path) -> Path:
    """The same rules with a tier in between that certain tasks go to."""
    tier = (
        f"  - name: domain\n    reviewers: [{emails_of(stage)['bob']}]\n"
        "    cost_per_label: 0.3\n    daily_capacity: 60\n"
    )
    text = file.read_text(encoding="utf-8")
    before, senior, after = text.partition("  - name: senior\n")
    route = "routes:\n  - {kind: task_field, field: place, in: [1, 2, 3], tier: domain}\n"
    new = file.with_name("new.yaml")
    new.write_text(f"{before}{tier}{senior}{after}{route}", encoding="utf-8")
    return new


def test_a_policy_is_applied(label_studio: RunningLabelStudio, tmp_path: Path) -> None:
    with make_stage(label_studio, tmp_path, 40) as stage:
        old = write_policy(stage, tmp_path / "policy.yaml", after=40)
        with stage.running("serve", tmp_path / "serve.log"):
            until(stage.healthy, "labelgate serve answers")
            stage.command("connect", "--project", str(stage.project_id), "--policy", str(old))
            first = policy_hash(load_policy(old))
            until(lambda: hashes(stage) == {first}, "every task is decided")

            new = with_an_expert(stage, old)
            said = stage.command("policy", "apply", str(new), "--yes")
            second = policy_hash(load_policy(new))
            assert "40 tasks, 0 accepted" in said
            assert f"is under policy {second[:12]} now; before: {first[:12]}" in said
            until(lambda: hashes(stage) == {second}, "every task is decided by the new policy")
            until(lambda: stage.view("domain"), "the new tier's view hands out tasks")
            assert list(stage.project.views) == ["general", "domain", "senior", "Control", "Audit"]

            stage.command("policy", "apply", str(old), "--yes")
            assert "domain" not in stage.project.views
            until(lambda: hashes(stage) == {first}, "the old policy decides again")
        with stage.runtime.reads() as session:
            assert verify_ledger(session, stage.project_id).broken_seq is None
