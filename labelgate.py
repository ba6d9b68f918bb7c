"""The front door: the command line. It only knows where each command lives."""

from __future__ import annotations

import click

from audit_jobs.job_names import NAMES
from backend.commands.program import Program

COMMANDS = {
    "accounts": "backend.commands.accounts",
    "agreement": "audit_jobs.agreement.command",
    "alerts": "backend.commands.alerts",
    "audit": "audit_jobs.audits.command",
    "backup": "backend.commands.backups",
    "breaker": "backend.commands.breaker",
    "calibrate": "backend.commands.calibrate",
    "certificates": "backend.commands.certificates",
    "completion": "backend.commands.completion",
    "connect": "backend.commands.projects",
    "consensus": "audit_jobs.consensus.command",
    "corrections": "audit_jobs.corrections.command",
    "demo": "audit_jobs.demo.command",
    "doctor": "backend.commands.doctor",
    "drift": "audit_jobs.drift.command",
    "disconnect": "backend.commands.projects",
    "erase": "backend.commands.erase",
    "export": "backend.commands.exports",
    "import": "backend.commands.imports:imports",
    "inferences": "audit_jobs.monitoring.command",
    "jobs": "audit_jobs.commands",
    "ledger": "backend.commands.ledger",
    "migrate": "backend.commands.ready",
    "models": "backend.commands.models",
    "policy": "backend.commands.policy",
    "preferences": "audit_jobs.preferences.command",
    "prelabel": "audit_jobs.prelabelling.command",
    "ready": "backend.commands.ready",
    "recall": "backend.commands.recall:recall_accepts",
    "report": "audit_jobs.evidence.command",
    "restore": "backend.commands.backups",
    "scheduler": "audit_jobs.scheduler_command",
    "serve": "backend.commands.serve",
    "share": "backend.commands.share",
    "simulate": "audit_jobs.simulation.command",
    "train": "audit_jobs.train_command",
    "web": "backend.commands.web",
    "worker": "audit_jobs.worker_command",
}


@click.group(cls=Program, lazy=COMMANDS, words={("jobs", "run"): NAMES})
@click.option(
    "-q", "--quiet", is_flag=True, help="Print only what was asked for, and errors: no notes."
)
@click.version_option(package_name="labelgate")
def main(**_: bool) -> None:
    """Human-in-the-loop quality layer for Label Studio.

    Every command that reports has --json. Something does not work? labelgate doctor
    """


if __name__ == "__main__":
    main()
