"""How figures read on a page: the Jinja filters that every page has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from flask import Flask
from markupsafe import Markup, escape

from backend.store.job_runs import JobRun
from policies.promise_words import certainty, promised_rate

FILTERS: dict[str, Callable[..., str]] = {}
Words = TypeVar("Words", bound=Callable[..., str])


def register(app: Flask) -> None:
    """Give the app's templates all filters of this module."""
    app.jinja_env.filters.update(FILTERS)


def _filter(name: str) -> Callable[[Words], Words]:
    def keep(words: Words) -> Words:
        FILTERS[name] = words
        return words

    return keep


_filter("promised_rate")(promised_rate)
_filter("certainty")(certainty)


@_filter("estimate")
def estimate(figure: Mapping[str, Any] | None) -> str:
    """A share with its interval and what it rests on, or a dash where it is undefined.

    >>> estimate({"value": 0.934, "low": 0.9, "high": 0.961, "n": 200})
    '93.4 % (90.0 to 96.1, n = 200)'
    >>> estimate({"value": None, "low": None, "high": None, "n": 0})
    '-'
    """
    if not figure or figure.get("value") is None:
        return "-"
    value, low, high, count = (figure.get(key) for key in ("value", "low", "high", "n"))
    if low is None or high is None:
        return f"{_percent(value)} % (n = {count})"
    return f"{_percent(value)} % ({_percent(low)} to {_percent(high)}, n = {count})"


@_filter("time")
def time(moment: datetime | None) -> str:
    """Minutes, in UTC."""
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


@_filter("ago")
def ago(moment: datetime, now: datetime) -> str:
    """How long ago something was, in its largest unit.

    >>> noon = datetime(2026, 3, 1, 12)
    >>> [ago(noon, noon.replace(**after)) for after in ({"second": 9}, {"hour": 15}, {"day": 9})]
    ['just now', '3 h ago', '8 days ago']
    """
    minutes = int((now - moment).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 2 * 60:
        return f"{minutes} min ago"
    hours = minutes // 60
    return f"{hours} h ago" if hours < 2 * 24 else f"{hours // 24} days ago"


@_filter("lasted")
def lasted(run: JobRun) -> str:
    """How long a run took; a run without an end is under way, or was killed."""
    if run.ended_at is None:
        return "-"
    return took((run.ended_at - run.started_at).total_seconds())


def took(seconds: float) -> str:
    """A span of time.

    >>> took(0.31), took(75), took(7300)
    ('0.3 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@_filter("thousands")
def thousands(number: int) -> str:
    """A count with its thousands apart.

    >>> thousands(1234567)
    '1,234,567'
    """
    return f"{number:,}"


@_filter("money")
def money(amount: float) -> str:
    """An amount in the currency that the policy's prices are in, which has no name there.

    >>> money(1234.5), money(-0.004)
    ('1,234.50', '0.00')
    """
    return f"{amount + 0.0:,.2f}" if abs(amount) >= 0.005 else "0.00"


@_filter("capitalised")
def capitalised(sentence: str) -> str:
    """With a large first letter, and all others as they were.

    >>> capitalised("a model of ACME")
    'A model of ACME'
    """
    return sentence[:1].upper() + sentence[1:]


def _percent(share: Any) -> str:
    return f"{100 * float(share):.1f}"


@_filter("alpha")
def alpha(figure: Mapping[str, Any] | None) -> str:
    """A coefficient with its interval; no share, so no percent.

    >>> alpha({"value": 0.8, "low": 0.7, "high": 0.9, "n": 40})
    '0.800 (0.700 to 0.900, n = 40)'
    """
    if not figure or figure["value"] is None:
        return "-"
    if figure["low"] is None or figure["high"] is None:
        return "{value:.3f} (n = {n})".format(**figure)
    return "{value:.3f} ({low:.3f} to {high:.3f}, n = {n})".format(**figure)


@_filter("cost")
def cost(body: Mapping[str, Any]) -> str:
    """What a cycle had cost in all by then, beside what people alone would have cost.

    >>> cost({"cost": 1234.5, "cost_all_manual": 2000.0})
    '1,234.50 (2,000.00)'
    >>> cost({})
    '-'
    """
    if body.get("cost") is None or body.get("cost_all_manual") is None:
        return "-"
    return f"{body['cost']:,.2f} ({body['cost_all_manual']:,.2f})"


@_filter("hours")
def hours(figure: Mapping[str, Any] | None) -> str:
    """A time in hours, from seconds.

    >>> hours({"value": 5400.0, "low": 3600.0, "high": 7200.0, "n": 4})
    '1.5 h (1.0 to 2.0, n = 4)'
    """
    return _scaled(figure, 1 / 3600, "{:.1f}", " h")


@_filter("points")
def points(figure: Mapping[str, Any] | None) -> str:
    """What a hundred labels are worth, in points of accuracy.

    >>> points({"value": 0.0002, "low": -0.0001, "high": 0.0005, "n": 80})
    '+2.0 points (-1.0 to +5.0, n = 80)'
    """
    return _scaled(figure, 10_000, "{:+.1f}", " points")


@_filter("gained")
def gained(figure: Mapping[str, Any] | None) -> str:
    """A difference of two shares, in points.

    >>> gained({"value": 0.01, "low": -0.02, "high": 0.04, "n": 80})
    '+1.0 points (-2.0 to +4.0, n = 80)'
    """
    return _scaled(figure, 100, "{:+.1f}", " points")


@_filter("with_code")
def with_code(message: str) -> str:
    """A message whose commands and settings stand between backticks, as HTML.

    >>> str(with_code("run `labelgate connect` <again>"))
    'run <code>labelgate connect</code> &lt;again&gt;'
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(message))))  # noqa: S704 - escaped


def _scaled(figure: Mapping[str, Any] | None, factor: float, how: str, unit: str) -> str:
    if not figure or figure.get("value") is None:
        return "-"
    value = how.format(figure["value"] * factor) + unit
    if figure["low"] is None or figure["high"] is None:
        return f"{value} (n = {figure['n']})"
    low, high = (how.format(figure[end] * factor) for end in ("low", "high"))
    return f"{value} ({low} to {high}, n = {figure['n']})"
