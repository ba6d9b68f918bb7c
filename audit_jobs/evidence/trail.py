"""Chapters of who did what: versions, admins, policies, and the ledger that holds it all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit_jobs.documents.pack import Chapter, Listing
from audit_jobs.documents.tables import Table
from audit_jobs.evidence.charts import accuracy_chart
from audit_jobs.evidence.figures import minute, share

_SHORT_HASH = 12


def models(found: list[Mapping[str, Any]]) -> Chapter:
    """Which versions there were by then, and on whose word each began to serve."""
    rows = tuple(
        (
            each["version"],
            minute(each["trained_at"]),
            "-" if each["examples"] is None else f"{each['examples']:,}",
            share(each["holdout_accuracy"]),
            each["verdict"] or "-",
            "; ".join(
                f"from {minute(change['at'])} ({change['on_the_word_of']}: {change['why']})"
                for change in each["served"]
            )
            or "-",
            each["sha256"][:_SHORT_HASH],
        )
        for each in found
    )
    return Chapter(
        heading="Model versions, and who let them serve",
        says=(
            "A new version serves where the gate lets it: it is compared with the serving one on "
            "tasks that neither learned from. Whoever overrules the gate says why."
        ),
        charts=(accuracy_chart(found),) if found else (),
        tables=(
            Table(
                heading="Versions",
                says="Oldest first." if rows else "There was no model by then.",
                columns=(
                    "version",
                    "trained",
                    "on labels",
                    "right on the holdout",
                    "verdict of the gate",
                    "began to serve in this time",
                    "file (SHA-256)",
                ),
                rows=rows,
            ),
        ),
    )


def acts(found: list[Mapping[str, Any]]) -> Chapter:
    """What admins changed on the pages, and as whom."""
    rows = tuple(
        (
            minute(each["at"]),
            each["who"],
            each["what"],
            ", ".join(f"{name}: {value}" for name, value in each["detail"].items()),
        )
        for each in found
    )
    return Chapter(
        heading="What admins did on the pages",
        says="UTC, oldest first." if rows else "Nothing.",
        tables=(Table(heading="Acts", says="", columns=("at", "who", "what", "detail"), rows=rows),)
        if rows
        else (),
    )


def ledger(found: Mapping[str, Any]) -> Chapter:
    """How to tell later that nothing was rewritten."""
    last = found["last_of_period"]
    rows = [("entries in all", f"{found['entries']:,}"), ("hash of the last entry", found["head"])]
    if last is not None:
        rows += [
            ("last entry of this time", f"{last['entry']:,}"),
            ("its hash", last["hash"]),
        ]
    return Chapter(
        heading="The ledger of decisions",
        says=(
            f"{verified(found)}. Keep the hashes below where the operators of the system cannot "
            "change them: a later report, or `labelgate ledger verify`, must show the same hash "
            "for the same entry, or the ledger was rewritten."
        ),
        tables=(
            Table(heading="Hashes", says="SHA-256.", columns=("what", "is"), rows=tuple(rows)),
        ),
    )


def policies(found: list[Mapping[str, Any]]) -> Chapter:
    """Every policy that decided something, word for word."""
    return Chapter(
        heading="The policies that decided",
        says="Word for word." if found else "None did.",
        listings=tuple(
            Listing(
                heading=f"{each['hash'][:_SHORT_HASH]}: {each['decisions']:,} decisions from "
                f"{minute(each['first'])} to {minute(each['last'])} UTC",
                text=each["text"],
            )
            for each in found
        ),
    )


def verified(found: Mapping[str, Any]) -> str:
    """Whether the ledger holds, in words."""
    if found["verified"]:
        return f"all {found['entries']:,} entries were recomputed, and every hash is right"
    return f"BROKEN at entry {found['broken_entry']:,}: {found['why_not']}"
