"""What people in a connected project prefer, as pairs: the same records that a file may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backend.runtime import Runtime
from backend.store.judged_tasks import JudgedTask, judged_tasks
from backend.store.projects import ConnectedProject
from connectors.label_studio.comparisons import (
    Comparison,
    answers_shown,
    choice_between,
    compared_names,
    comparisons_of,
    said_by_control,
)
from connectors.label_studio.labeling import Labeling, parse_labeling
from policies.judgments import Choice, Judgment, Order, PreferencePair
from policies.loading import parse_policy
from policies.preferences import Preferences

# The keys of a task's data that ``labelgate preferences pair`` writes beside the policy's own.
ID, REPEAT_OF = "id", "repeat_of"


class PreferenceRecordsError(ValueError):
    """The project asks for no preferences; the message says what it would need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Two:
    """Two answers of a task by name, ``one`` called A; ``order`` is None where none was drawn."""

    source: str
    one: str
    other: str
    order: Order | None


@dataclass(slots=True, kw_only=True)
class _Asked:
    """The comparisons of a config; those of one source compare the same answers."""

    labeling: Labeling
    fields: Preferences
    comparisons: tuple[Comparison, ...]
    taken: set[str] = field(default_factory=set)


def project_pairs(runtime: Runtime, project: ConnectedProject) -> list[PreferencePair]:
    """Every two answers that people of the project have compared, by task, with all they said.

    People are called by their number in Label Studio. Only theirs count: never the robot's, no
    skipped tasks, and nobody whom gold has shown to be unfit. Each person's newest answer to a task
    stands; one that was sent empty says ``Choice.NONE``. Of several controls the first says the
    preference, the others are criteria (``comparisons_of``); all pairs of a ranking count.

    Where the task's data hold the policy's field ``order``, ``ab`` or ``ba``, the pair is named by
    it: under ``ba`` the left answer is B. Any other value but nothing says that the answers stand
    in drawn order. Where it holds nothing ``Judgment.order`` is None: an order that nobody drew
    says nothing about places. ``id`` and ``repeat_of`` of the data are the pair's, where they are
    there. A gold task's true answer is ``gold``, and those whose word that is do not judge it.

    Raises
        PreferenceRecordsError: the labelling config compares nothing.
    """
    labeling = parse_labeling(project.label_config)
    fields = parse_policy(project.policy_text).preferences or Preferences()
    comparisons = comparisons_of(labeling, fields.prompt)
    if not comparisons:
        found = ", ".join(f"{each.name!r} ({each.kind.value})" for each in labeling.controls)
        raise PreferenceRecordsError(
            f"project {project.id} {project.title!r} compares nothing: a Pairwise, a Ranker on a "
            f"List, or a Rating for each of several answers is needed, and it has {found}"
        )
    asked = _Asked(labeling=labeling, fields=fields, comparisons=comparisons)
    with runtime.reads() as session:
        pairs = [pair for task in judged_tasks(session, project.id) for pair in _pairs(asked, task)]
    return _with_known_repeats(pairs)


def _pairs(asked: _Asked, task: JudgedTask) -> Iterator[PreferencePair]:
    said = _readable(asked.labeling, task.said)
    gold = {} if task.gold is None else _readable(asked.labeling, {0: task.gold})
    texts = {each.source: dict[str, str]() for each in asked.comparisons}
    for each in asked.comparisons:
        texts[each.source] |= answers_shown(each, task.data)
    twos = list(_twos(asked, task.data))
    prompt = task.data.get(asked.fields.prompt)
    repeat_of = task.data.get(REPEAT_OF)
    base = _base(asked, task) if twos else ""
    for two in twos:
        # Each pair of a ranking has a name of its own.
        ending = "" if len(twos) == 1 else f":{two.one}:{two.other}"
        comparisons = [each for each in asked.comparisons if each.source == two.source]
        true = [each.choice for each in _judgments(comparisons[:1], two, gold)]
        yield PreferencePair(
            id=f"{base}{ending}",
            prompt=prompt if isinstance(prompt, str) else "",
            response_a=texts[two.source][two.one],
            response_b=texts[two.source][two.other],
            judgments=tuple(_judgments(comparisons, two, said)),
            gold=true[0] if true and true[0] is not Choice.NONE else None,
            repeat_of=None if repeat_of is None else f"{repeat_of}{ending}",
        )


def _base(asked: _Asked, task: JudgedTask) -> str:
    """The pair's name: that in the data, or the task's number where it has none of its own."""
    given = task.data.get(ID)
    named = isinstance(given, str | int) and not isinstance(given, bool) and str(given).strip()
    name = str(given) if named else str(task.id)
    if name in asked.taken:
        name = f"{name}:{task.id}"
    asked.taken.add(name)
    return name


def _twos(asked: _Asked, data: Mapping[str, Any]) -> Iterator[_Two]:
    drawn = data.get(asked.fields.order)
    seen: set[tuple[str, frozenset[str]]] = set()
    for comparison in asked.comparisons:
        for first, second in compared_names(comparison, list(answers_shown(comparison, data))):
            key = comparison.source, frozenset((first, second))
            if key not in seen:
                yield _named(comparison, first, second, drawn)
            seen.add(key)


def _named(comparison: Comparison, first: str, second: str, drawn: Any) -> _Two:
    """Two answers, of which ``first`` stands first on the page."""
    if comparison.source:
        # By id, so that the place on the page says nothing about which one is called A.
        turned, known = second < first, drawn not in (None, "")
    else:
        known = drawn in tuple(Order) and len(comparison.names) == 2
        turned = known and drawn == Order.BA
    order = Order.BA if turned else Order.AB
    one, other = (second, first) if turned else (first, second)
    return _Two(source=comparison.source, one=one, other=other, order=order if known else None)


def _judgments(
    comparisons: Iterable[Comparison],
    two: _Two,
    said: Mapping[int, Mapping[str, str | None]],
) -> Iterator[Judgment]:
    for comparison in comparisons:
        if comparison.names and not {two.one, two.other} <= set(comparison.names):
            continue
        for user, answers in said.items():
            try:
                choice = choice_between(comparison, answers, two.one, two.other)
            except ValueError:  # an answer of the form that an earlier config gave it
                continue
            yield Judgment(
                judge=str(user), choice=choice, order=two.order, criterion=comparison.criterion
            )


def _readable(
    labeling: Labeling, said: Mapping[int, str | None]
) -> dict[int, dict[str, str | None]]:
    """The answers by control; those that another config gave their form are left out."""
    found = {}
    for user, text in said.items():
        try:
            found[user] = said_by_control(labeling, text)
        except ValueError:
            continue
    return found


def _with_known_repeats(pairs: list[PreferencePair]) -> list[PreferencePair]:
    """Without the ``repeat_of`` of a pair that nobody has judged yet."""
    known = {pair.id for pair in pairs}
    return [
        pair if pair.repeat_of is None or pair.repeat_of in known else replace(pair, repeat_of=None)
        for pair in pairs
    ]
