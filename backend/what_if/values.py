"""What a request says of the numbers of a policy, and what is wrong with it, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from backend.what_if.sliders import Slider, promise_sliders, sliders_of
from policies.drafting import Changes, changed_policy
from policies.problems import Path, PolicyError, dotted, nearest
from policies.promises import AutoAccept
from policies.schema import Policy

# What says that a policy that accepts nothing is to be tried with a promise.
ACCEPT = "accept"
_LONGEST = 20


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
        of_promise = name in {each.name for each in promise_sliders(policy)}
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
