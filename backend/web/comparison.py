"""Two plans side by side: each figure now and with other values, and what differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backend.web import what_if_words as words
from backend.what_if.gathering import Gathered
from backend.what_if.replay import Baseline, Replayed
from policies.domain import Estimate
from policies.planning import Plan
from policies.samples import Figures, TierFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure now and with other values; the ends of their intervals, "" without; how they differ.

    ``differs`` says whether the difference is any.
    """

    name: str
    now: str
    now_between: str
    then: str
    then_between: str
    difference: str

    @property
    def differs(self) -> bool:
        """Whether the values change this figure."""
        return self.difference not in (words.SAME, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that the page says of two plans.

    ``headline`` are the four figures that matter most, ``people`` the rows of the tiers' queues.
    """

    summary: str
    headline: tuple[Row, ...]
    rows: tuple[Row, ...]
    people: tuple[Row, ...]
    thresholds: tuple[str, ...]
    rests_on: tuple[str, ...]
    cannot_know: tuple[str, ...]


def comparison(base: Baseline, then: Replayed, *, moved: bool) -> Comparison:
    """The policy in force beside the values; ``moved`` says whether any of them is another."""
    now = base.now.figures
    return Comparison(
        summary=_summary(now, then.figures, moved=moved),
        headline=_headline(now, then.figures),
        rows=tuple(_rows(base.now, then)),
        people=tuple(
            row
            for before, after in zip(now.tiers, then.figures.tiers, strict=True)
            for row in _tier_rows(before, after)
        ),
        thresholds=then.figures.thresholds,
        rests_on=_rests_on(base.gathered),
        cannot_know=_cannot_know(base.gathered),
    )


def _summary(now: Figures, then: Figures, *, moved: bool) -> str:
    share = words.percent(then.accepted_share.value)
    days = max(then.tiers, key=lambda each: each.days)
    longest = f"the longest queue is {days.name}'s: {words.days(days.days)}"
    if not moved:
        return (
            f"Under the policy in force {share} of the tasks are accepted without a person, and "
            f"{longest}."
        )
    changed = then.changed.value if then.changed is not None else 0
    before = words.percent(now.accepted_share.value)
    instead = "as now" if before == share else f"instead of {before}"
    return (
        f"With these values {share} of the tasks are accepted without a person, {instead}; "
        f"{words.count(changed)} decisions change, {_cheaper(now, then)}, and {longest}."
    )


def _cheaper(now: Figures, then: Figures) -> str:
    apart = then.cost.total - now.cost.total
    if words.money(abs(apart)) == words.money(0.0):
        return "it costs the same"
    return f"it costs {words.money(abs(apart))} {'more' if apart > 0 else 'less'}"


def _headline(now: Figures, then: Figures) -> tuple[Row, ...]:
    return (
        _estimated("Accepted without a person", now.accepted_share, then.accepted_share),
        _errors(now.expected_error, then.expected_error),
        _longest(now, then),
        _priced(now, then),
    )


def _longest(now: Figures, then: Figures) -> Row:
    """The queue that takes most days."""
    before, after = (max(of.tiers, key=lambda each: each.days) for of in (now, then))
    return Row(
        name="Longest queue",
        now=words.days(before.days),
        now_between=before.name,
        then=words.days(after.days),
        then_between=f"of {after.name}",
        difference=words.difference(before.days, after.days, words.count),
    )


def _rows(now: Replayed, then: Replayed) -> list[Row]:
    before, after = now.figures, then.figures
    labels = [sum(each.looks.value or 0 for each in of.tiers) for of in (before, after)]
    rows = [
        _estimated("Accepted without a person", before.accepted_share, after.accepted_share),
        _counted("Accepted labels", before.accepted, after.accepted),
        _errors(before.expected_error, after.expected_error),
        _thresholds(now.plan, then.plan),
        _row("Labels by people", (labels[0], labels[1]), words.count),
        _row("Hours of people", (before.hours, after.hours), words.hours),
        _priced(before, after),
        _row("All by hand", (before.cost_all_manual, after.cost_all_manual), words.money),
        _row(
            "Saved against that",
            (before.saving_share, after.saving_share),
            words.percent,
            words.points,
        ),
    ]
    if after.changed is not None:
        changed = after.changed
        rows.append(
            Row(
                name="Decisions that change",
                now="-",
                now_between="",
                then=words.count(changed.value),
                then_between=words.between(changed, words.count),
                difference="",
            )
        )
    return rows


def _tier_rows(now: TierFigures, then: TierFigures) -> list[Row]:
    return [
        _counted(f"{now.name}: tasks", now.tasks, then.tasks),
        Row(
            name=f"{now.name}: days at capacity",
            now=words.days(now.days),
            now_between=words.days_between(now),
            then=words.days(then.days),
            then_between=words.days_between(then),
            difference=words.difference(now.days, then.days, words.count),
        ),
        _row(f"{now.name}: hours", (now.hours, then.hours), words.hours),
    ]


def _row(
    name: str,
    values: tuple[float | None, float | None],
    told: Callable[[float | None], str],
    of_difference: Callable[[float], str] | None = None,
) -> Row:
    now, then = values
    return Row(
        name=name,
        now=told(now),
        now_between="",
        then=told(then),
        then_between="",
        difference=words.difference(now, then, of_difference or told),
    )


def _estimated(name: str, now: Estimate, then: Estimate) -> Row:
    return Row(
        name=name,
        now=words.percent(now.value),
        now_between=words.between(now, words.percent),
        then=words.percent(then.value),
        then_between=words.between(then, words.percent),
        difference=words.difference(now.value, then.value, words.points),
    )


def _counted(name: str, now: Estimate, then: Estimate) -> Row:
    return Row(
        name=name,
        now=words.count(now.value),
        now_between=words.between(now, words.count),
        then=words.count(then.value),
        then_between=words.between(then, words.count),
        difference=words.difference(now.value, then.value, words.count),
    )


def _errors(now: Estimate, then: Estimate) -> Row:
    """Errors among accepts, with the number of answers that they were seen in."""

    def between(error: Estimate) -> str:
        if error.value is None:
            return "no answer tells"
        return f"{words.between(error, words.fine_percent)}, n = {error.n:,}"

    return Row(
        name="Errors among the accepted",
        now=words.fine_percent(now.value),
        now_between=between(now),
        then=words.fine_percent(then.value),
        then_between=between(then),
        difference=words.difference(now.value, then.value, words.fine_points),
    )


def _priced(now: Figures, then: Figures) -> Row:
    return Row(
        name="Cost",
        now=words.money(now.cost.total),
        now_between=words.between(now.cost_total, words.money),
        then=words.money(then.cost.total),
        then_between=words.between(then.cost_total, words.money),
        difference=words.difference(now.cost.total, then.cost.total, words.money),
    )


def _thresholds(now: Plan, then: Plan) -> Row:
    before, after = _scores(now), _scores(then)
    return Row(
        name="Accepted from which score on",
        now=before,
        now_between="",
        then=after,
        then_between="",
        difference=words.SAME if before == after else "another threshold",
    )


def _scores(plan: Plan) -> str:
    """The threshold of each promise, in few words; the evidence stands under the table."""
    if plan.certification is None:
        return "none: a person confirms all"
    told = []
    for each in plan.certification.certificates:
        whose = " ".join(part for part in (each.label, _by(each.predictor)) if part)
        score = "none certified"
        if each.threshold is not None:
            score = f"{max(each.threshold, plan.floor):.3f}"
        told.append(f"{whose}: {score}" if whose else score)
    return "; ".join(told) if told else "none: the model has said nothing"


def _by(predictor: str) -> str:
    return "" if predictor == "model" else f"by {predictor}"


def _rests_on(gathered: Gathered) -> tuple[str, ...]:
    sample, standing = gathered.sample, gathered.standing
    about = words.count(sample.count(sample.tasks).value)
    asked = (
        f"all {sample.tasks:,} tasks of the project that have a decision"
        if sample.complete
        else f"a random sample of {sample.tasks:,} of about {about} tasks that have a decision; "
        "ranges say how far chance may move a figure, in 95 of 100 samples"
    )
    serving = (
        "no version serves yet"
        if standing.version is None
        else f"answers as the ledger has them: {standing.serving:,} by {standing.version}, which "
        f"serves now, {standing.earlier:,} by others, {standing.unanswered:,} tasks without one"
    )
    proof = f"{standing.proof:,} answers of people to control and holdout tasks"
    if standing.version is not None and standing.proof_by_serving < standing.proof:
        proof += (
            f", of which {standing.proof_by_serving:,} are about {standing.version}: the others "
            "are taken to say as much"
        )
    suspended = tuple(
        f"suspended now, so nothing of it is accepted: {why}" for why in gathered.suspended.values()
    )
    as_of = f"as of {standing.as_of:%Y-%m-%d %H:%M} UTC, ledger entry {standing.entries:,}"
    return (asked, serving, proof, as_of, *suspended)


def _cannot_know(gathered: Gathered) -> tuple[str, ...]:
    told = [
        "Errors are known only where people answered, blind: their range is wide with few answers.",
        "A larger control share brings answers in the weeks to come; none of them is there yet.",
        "Tasks of tomorrow may be others than those of the history.",
    ]
    if gathered.standing.earlier:
        told.append("What the version that serves now would say of older tasks is not asked here.")
    return tuple(told)
