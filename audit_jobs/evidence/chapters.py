"""The evidence pack as chapters, in the order in which an auditor asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit_jobs.documents.pack import Chapter, Pack
from audit_jobs.documents.tables import FIGURE, Table, figure_cells
from audit_jobs.evidence.charts import audit_chart, correction_chart, score_charts
from audit_jobs.evidence.decided import oversight
from audit_jobs.evidence.figures import PERCENT, minute, share
from audit_jobs.evidence.trail import acts, ledger, models, policies, verified
from audit_jobs.evidence.words import ABOUT, WORDS
from audit_jobs.figures.report import incident_table, tables
from policies.promise_words import certainty, promised_rate


def pack_of(body: Mapping[str, Any], period: str) -> Pack:
    """The body that ``gathering.evidence`` gives, told."""
    return Pack(
        title=f"{body['project']['title']}: evidence of its labelling loop",
        about=(f"Project {body['project']['id']}, {period}.", *ABOUT),
        facts=tuple(_facts(body)),
        chapters=(
            _promises(body),
            oversight(body["oversight"]),
            _audits(body),
            _loop(body),
            _agreement(body["agreement"]),
            _drift(body["drift_looks"]),
            _incidents(body),
            models(body["models"]),
            acts(body["acts"]),
            ledger(body["ledger"]),
            policies(body["policies"]),
        ),
        words=WORDS,
    )


def _facts(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Promised", _promised(body)
    audits = body["audits"]
    yield (
        "Blind audits found right",
        "no audit yet" if audits is None else share(audits["pass_rate"]),
    )
    seen = body["oversight"]
    if seen["tasks"]:
        alone = seen["without_a_person"]
        yield (
            "Labels that stand without a person",
            f"{alone:,} of {seen['tasks']:,} tasks ({alone / seen['tasks']:.1%})",
        )
    people = len(seen["people"])
    yield (
        "Labels that people gave",
        f"{seen['labels']:,} by {people:,} {'person' if people == 1 else 'people'}",
    )
    trips = len(body["incidents"]["suspensions"])
    yield "Times that accepting was stopped", f"{trips:,}" if trips else "never"
    yield "Ledger", verified(body["ledger"])
    yield "Made by", f"Labelgate {body['labelgate']}"


def _promised(body: Mapping[str, Any]) -> str:
    promises = list(
        dict.fromkeys(
            f"at most {promised_rate(each['promise']['max_error_rate'])} of accepted labels wrong, "
            f"with {certainty(each['promise']['confidence'])} certainty"
            if each["promise"]
            else "a person confirms every label"
            for each in body["policies"]
            if each["unreadable"] is None
        )
    )
    return "; then ".join(promises) or "nothing was decided in this time"


def _promises(body: Mapping[str, Any]) -> Chapter:
    rows = tuple(
        (
            minute(each["certified_at"]),
            each["model_version"],
            each["in_words"],
            "still valid"
            if each["ended_at"] is None
            else f"{minute(each['ended_at'])}: {each['ended_because']}"
            + (" (withdrawn)" if each["withdrawn"] else ""),
        )
        for each in body["certificates"]
    )
    return Chapter(
        heading="What was promised, and what proved it",
        says=(
            "A label is accepted without a person only where its score reaches a threshold that "
            "answers of the control slice have proved. Each row is such a proof; without one, "
            "everything goes to people."
        ),
        charts=score_charts(body),
        tables=(
            Table(
                heading="Thresholds and their evidence",
                says="UTC, oldest first." if rows else "None was valid in this time.",
                columns=("proved at", "model version", "what it lets through", "ended"),
                rows=rows,
            ),
        ),
    )


def _audits(body: Mapping[str, Any]) -> Chapter:
    found = body["audits"]
    heading = "What blind audits found"
    if found is None:
        return Chapter(heading=heading, says="Nothing has been audited by then.")
    waiting = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in found["unanswered"].items()
    )
    rows = [
        figure_cells("right, of what is accepted", found["pass_rate"], PERCENT),
        figure_cells("the same, auditors' own errors out", found["corrected_pass_rate"], PERCENT),
    ]
    rows += [figure_cells(f"week {week}", rate, PERCENT) for week, rate in found["by_week"].items()]
    labels = tuple(figure_cells(label, rate, PERCENT) for label, rate in found["by_label"].items())
    return Chapter(
        heading=heading,
        says=(
            f"All audits up to {minute(found['as_of'])} UTC: {found['audited']:,} answered, "
            f"{found['failed_in_all']:,} of them found the accepted label wrong. Not counted: "
            f"{waiting}."
        ),
        charts=(audit_chart(body),),
        tables=(
            Table(
                heading="Pass rate",
                says="Each audit counts by the chance that it had of being drawn.",
                columns=("of", *FIGURE),
                rows=tuple(rows),
            ),
            Table(
                heading="Pass rate by accepted label",
                says="" if labels else "None yet.",
                columns=("label", *FIGURE),
                rows=labels,
            ),
        ),
    )


def _loop(body: Mapping[str, Any]) -> Chapter:
    heading = "How the loop did"
    if body["made_at"] is None:
        return Chapter(heading=heading, says="It had not been measured by then.")
    return Chapter(
        heading=heading,
        says=f"As measured at {body['made_at'][:16].replace('T', ' ')} UTC.",
        charts=(correction_chart(body),),
        tables=tuple(tables(body)),
    )


def _agreement(found: Mapping[str, Any] | None) -> Chapter:
    rows = () if found is None else tuple(_agreement_rows(found["controls"]))
    return Chapter(
        heading="How far people agree",
        says=(
            "No task had been labelled by two people by then."
            if found is None or not rows
            else f"Krippendorff's alpha as of {minute(found['as_of'])} UTC. The routed queue is "
            "hard on purpose; the random part is what compares with other projects."
        ),
        tables=(
            Table(heading="Agreement", says="", columns=("question, tasks", *FIGURE), rows=rows),
        )
        if rows
        else (),
    )


def _agreement_rows(controls: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    names = {
        "all": "all answers",
        "routed": "the routed queue",
        "agreement_drawn": "its random part",
        "random": "control and holdout",
    }
    for name, control in controls.items():
        for part, says in names.items():
            if control[part] is not None:
                yield figure_cells(f"{name}: {says}", control[part])


def _drift(looks: list[Mapping[str, Any]]) -> Chapter:
    rows = tuple(
        (minute(each["at"]), each["model_version"] or "-", ", ".join(each["features"]) or "yes")
        for each in looks
        if each["drifted"]
    )
    return Chapter(
        heading="Whether traffic changed",
        says=f"{len(looks):,} looks in this time, {len(rows):,} of which found a change.",
        tables=(
            Table(
                heading="Changes",
                says="UTC, oldest first. From then on nothing was accepted on the old evidence.",
                columns=("at", "model version", "what changed"),
                rows=rows,
            ),
        )
        if rows
        else (),
    )


def _incidents(body: Mapping[str, Any]) -> Chapter:
    return Chapter(
        heading="What went wrong, and what was done",
        says=(
            "When the breaker trips, nothing more is accepted for that group of answers until "
            "somebody has looked and a new proof stands. A recall takes back what was accepted."
        ),
        tables=(incident_table(body["incidents"]),),
    )
