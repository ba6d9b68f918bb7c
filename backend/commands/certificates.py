"""``labelgate certificates``: what the thresholds in force rest on, and taking them back."""

from __future__ import annotations

from typing import Any

import click

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import tell, tell_json
from backend.store.certificates import (
    StoredCertification,
    valid_certifications,
    void_certifications,
)
from policies.certifying import told
from policies.domain import Certificate


@click.command()
@click.argument("project")
@click.option(
    "--void", is_flag=True, help="Take the certificates back: nothing is accepted on them."
)
@click.option("--why", metavar="TEXT", help="The reason, kept with the certificates; with --void.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def certificates(project: str, *, void: bool, why: str | None, as_json: bool) -> None:
    """List the valid certificates of PROJECT (number or title) with their evidence, or void them.

    After --void every open task is decided anew and goes to people. The version is certified again
    once control answers given after the void are enough by themselves; a new version, once it
    is promoted, rests on all control answers. What was frozen stays frozen.

    Example: labelgate certificates 3
    """
    if void != (why is not None and bool(why.strip())):
        raise click.UsageError("--void needs --why TEXT, and --why needs --void")
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    with runtime.reads() as session:
        valid = valid_certifications(session, connected.id)
    if why is not None:
        with runtime.sessions.begin() as session:
            void_certifications(session, connected.id, why.strip(), runtime.now())
    listed = [_as_json(stored, each) for stored in valid for each in _each(stored)]
    if as_json:
        tell_json({"voided": void, "certificates": listed})
        return
    done = "voided" if void else "valid"
    tell(f"project {connected.id}: {len(listed)} {done} certificates")
    for stored in valid:
        for each in _each(stored):
            _tell(stored, each)


def _each(stored: StoredCertification) -> tuple[Certificate, ...]:
    return stored.certification.certificates


def _as_json(stored: StoredCertification, each: Certificate) -> dict[str, Any]:
    evidence = each.as_json()
    return {
        "predictor": each.predictor,
        "label": each.label,
        "threshold": each.threshold,
        "n": each.error.n,
        "errors": each.errors,
        "bound": each.error.high,
        "max_error_rate": each.max_error_rate,
        "confidence": each.confidence,
        "control_answers": each.control_answers,
        "labels_needed": each.labels_needed,
        "grid_size": len(each.grid),
        "since": evidence["since"],
        "until": evidence["until"],
        "model_version": each.model_version,
        "policy_hash": stored.policy_hash,
        "certified_at": stored.certified_at.isoformat(),
    }


def _tell(stored: StoredCertification, each: Certificate) -> None:
    tell(f"  {told(each, 0.0)}")
    window = "" if each.since is None else f", answers of {each.since:%Y-%m-%d}"
    window += "" if each.until is None else f" to {each.until:%Y-%m-%d}"
    tell(
        f"    {each.model_version}, policy {stored.policy_hash[:12]}, "
        f"{len(each.grid)} thresholds tested{window}"
    )
