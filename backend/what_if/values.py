"""The numbers of a policy that a what-if may move, and what a request says of them.

People think of shares in percent, policy files in shares of one: the one place where the two meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from policies.drafting import Changes, changed_policy
from policies.problems import Path, PolicyError, dotted, nearest
from policies.promises import AutoAccept
from policies.schema import Policy
from policies.stakes import FLOORS

# What says that a policy that accepts nothing is to be tried with a promise.
ACCEPT = "accept"
# The promise that is offered for such a policy; a common one to start from.
_FIRST_PROMISE = {"max_error_percent": "2", "confidence_percent": "95"}
_LONGEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Slider:
    """One number: its name in a request, its place in the file, and what it may be.

    ``text`` is what the policy has, in the unit shown; "" where it has none, or leaves it out.
    ``low``, ``high`` and ``step`` are the slider's; the number beside it takes all that the policy
    would take.
    """

    name: str
    path: Path
    label: str
    unit: str
    text: str
    low: str
    high: str
    step: str
    about: str

    @property
    def in_percent(self) -> bool:
        """Whether the file has a share of one where the page shows percent."""
        return self.unit == "%"

    @property
    def whole(self) -> bool:
        """Whether only whole numbers will do."""
        return self.path[-1] == "daily_capacity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """What is wrong with one value of a request, in words; ``name`` is its field, "" for none."""

    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a request asks for: the numbers as entered, those that differ, and what is wrong.

    ``policy`` is the policy with the changes; None where something is wrong.
    """

    sliders: tuple[Slider, ...]
    entered: Mapping[str, str]
    changes: Changes
    policy: Policy | None
    wrong: tuple[Wrong, ...]
    opened: bool

    @property
    def query(self) -> dict[str, str]:
        """The same request again, by its values that differ from the policy's."""
        moved = {
            each.name: self.entered[each.name]
            for each in self.sliders
            if each.path in self.changes or (self.opened and self.entered[each.name])
        }
        return moved | ({ACCEPT: "on"} if self.opened else {})


def can_open(policy: Policy) -> bool:
    """Whether a policy that accepts nothing could be tried with a promise: not of preferences."""
    return not isinstance(policy.auto_accept, AutoAccept) and policy.preferences is None


def chosen(policy: Policy, request: Mapping[str, Sequence[str]]) -> Chosen:
    """What a request with these values (each name with all that it was given) asks for."""
    opened = can_open(policy) and list(request.get(ACCEPT, ())) == ["on"]
    sliders = sliders_of(policy, opened=opened)
    wrong = _unknown(policy, sliders, request)
    entered: dict[str, str] = {}
    changes: dict[Path, float | int] = {}
    for slider in sliders:
        given = [each.strip() for each in request.get(slider.name, ())]
        entered[slider.name] = given[0] if given and given[0] else slider.text
        if len(given) > 1:
            wrong.append(Wrong(name=slider.name, message="is given more than once: give it once"))
            continue
        if not given or not given[0]:
            number = _number(slider, slider.text) if _is_new(policy, slider) else None
        else:
            number = _number(slider, given[0])
            if number is None:
                wrong.append(Wrong(name=slider.name, message=_no_number(slider, given[0])))
        if number is not None and number != _in_force(policy, slider):
            changes[slider.path] = number
    changed: Policy | None = None
    if not wrong:
        try:
            changed = changed_policy(policy, changes)
        except PolicyError as error:
            wrong = _refused(sliders, error)
    return Chosen(
        sliders=sliders,
        entered=entered,
        changes=changes,
        policy=changed,
        wrong=tuple(wrong),
        opened=opened,
    )


def sliders_of(policy: Policy, *, opened: bool) -> tuple[Slider, ...]:
    """The numbers that make sense for this policy; ``opened``: as if it could accept."""
    rule = policy.auto_accept
    accepting = isinstance(rule, AutoAccept) or opened
    return (*(_of_promise(policy) if accepting else ()), *_of_people(policy))


def _of_promise(policy: Policy) -> tuple[Slider, ...]:
    rule = policy.auto_accept
    values = dict(_FIRST_PROMISE)
    cost = ""
    if isinstance(rule, AutoAccept):
        values = {
            "max_error_percent": percent(rule.max_error_rate),
            "confidence_percent": percent(rule.confidence),
        }
        cost = "" if rule.cost_of_error is None else plain(rule.cost_of_error)
    most = max(100 * policy.tiers[0].cost_per_label, 2 * float(cost or 0), 1.0)
    floor = FLOORS[policy.stakes].audit_share
    return (
        Slider(
            name="max_error_percent",
            path=("auto_accept", "max_error_rate"),
            label="Largest error rate",
            unit="%",
            text=values["max_error_percent"],
            low="0.1",
            high="20",
            step="0.1",
            about="Of the labels that are accepted, so many may be wrong.",
        ),
        Slider(
            name="confidence_percent",
            path=("auto_accept", "confidence"),
            label="Confidence",
            unit="%",
            text=values["confidence_percent"],
            low="80",
            high="99.9",
            step="0.1",
            about="How surely that must hold before anything is accepted.",
        ),
        Slider(
            name="cost_of_error",
            path=("auto_accept", "cost_of_error"),
            label="Cost of an error",
            unit="",
            text=cost,
            low="0",
            high=plain(most),
            step=plain(round(most / 200, 4)),
            about="In the currency of the tiers' prices: a dear error asks for a higher threshold.",
        ),
        Slider(
            name="audit_percent",
            path=("audit", "share"),
            label="Share of audits",
            unit="%",
            text=percent(policy.audit.share),
            low=percent(floor),
            high="50",
            step="0.5",
            about="Of the accepted labels, so many get a blind second look.",
        ),
    )


def _of_people(policy: Policy) -> tuple[Slider, ...]:
    control = Slider(
        name="control_percent",
        path=("control", "share"),
        label="Control share",
        unit="%",
        text=percent(policy.control.share),
        low="5",
        high="50",
        step="0.5",
        about="Of all tasks, so many are labelled blind: thresholds are proved on them.",
    )
    capacities = (
        Slider(
            name=f"capacity_{place}",
            path=("tiers", place, "daily_capacity"),
            label=f"Capacity of {tier.name}",
            unit="labels a day",
            text=str(tier.daily_capacity),
            low="1",
            high=str(max(10, 4 * tier.daily_capacity)),
            step="1",
            about=f"What all of {tier.name} can label in a day.",
        )
        for place, tier in enumerate(policy.tiers)
    )
    return (control, *capacities)


def percent(share: float) -> str:
    """A share in percent, exactly as it would be written.

    >>> percent(0.03), percent(0.001), percent(0.5)
    ('3', '0.1', '50')
    """
    return _text(Decimal(repr(share)) * 100)


def plain(number: float) -> str:
    """A number without more digits than it has.

    >>> plain(5.0), plain(0.25)
    ('5', '0.25')
    """
    return _text(Decimal(repr(number)))


def _text(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _in_force(policy: Policy, slider: Slider) -> float | int | None:
    return None if _is_new(policy, slider) else _number(slider, slider.text)


def _is_new(policy: Policy, slider: Slider) -> bool:
    """Whether the number belongs to a promise that the policy does not make."""
    return slider.path[0] == "auto_accept" and not isinstance(policy.auto_accept, AutoAccept)


def _number(slider: Slider, text: str) -> float | int | None:
    """What the file would hold; None for what is no number, or has more digits than one needs."""
    if len(text) > _LONGEST or not text.isascii():
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number.adjusted()) > _LONGEST:
        return None
    if slider.whole:
        return int(number) if number == number.to_integral_value() else None
    return float(number / 100 if slider.in_percent else number)


def _no_number(slider: Slider, text: str) -> str:
    shown = repr(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")
    kind = "a whole number" if slider.whole else "a number"
    unit = f" of {'percent' if slider.in_percent else slider.unit}" if slider.unit else ""
    return f"is {shown}, which is not {kind}{unit}: such as {slider.text or slider.high}"


def _unknown(
    policy: Policy, sliders: Sequence[Slider], request: Mapping[str, Sequence[str]]
) -> list[Wrong]:
    """Names that mean nothing here, and those that mean something only with a promise."""
    names = [each.name for each in sliders]
    wrong = []
    for name, given in request.items():
        if name in names or (name == ACCEPT and can_open(policy) and list(given) == ["on"]):
            continue
        of_promise = name in {each.name for each in _of_promise(policy)}
        if name == ACCEPT and can_open(policy):
            message = "is neither left out nor 'on': with 'on' a promise is tried"
        elif of_promise or name == ACCEPT:
            message = "says nothing here: the policy accepts nothing (auto_accept: never)"
            message += ", add accept=on to try a promise" if can_open(policy) else ""
            if isinstance(policy.auto_accept, AutoAccept):
                message = "says nothing here: the policy accepts already, leave it out"
        else:
            shown = name if len(name) <= _LONGEST else name[: _LONGEST - 3] + "..."
            hint = nearest(name, names) or f"known are {', '.join(names)}"
            wrong.append(Wrong(name="", message=f"{shown!r} is no value of this page: {hint}"))
            continue
        wrong.append(Wrong(name=name, message=message))
    return wrong


def _refused(sliders: Sequence[Slider], error: PolicyError) -> list[Wrong]:
    """What the policy's own rules say, at the field that it is about."""
    wrong = []
    for problem in error.problems:
        field = next((each for each in sliders if dotted(each.path) == problem.path), None)
        hint = f" ({problem.hint})" if problem.hint else ""
        value = "" if problem.value is None else f" = {problem.value}"
        wrong.append(
            Wrong(
                name="" if field is None else field.name,
                message=f"in the file {problem.path}{value} {problem.message}{hint}",
            )
        )
    return wrong
