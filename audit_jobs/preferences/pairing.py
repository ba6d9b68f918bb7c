"""Which answers are put beside each other, in which order, and which pairs are asked once more.

Everything is drawn by hashes of the seed and the prompt's id: the same file gives the same tasks,
and a prompt that is added later changes no other one's. Pure.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from connectors.response_files import Responses
from policies.judgments import Order

_ENDING = "again"  # of the id of a pair that is asked once more


class PairingError(ValueError):
    """Pairs cannot be made as asked; the message says what would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How tasks are made.

    ``pairs`` are those of each prompt, None for as many as it has answers (all of them where there
    are three or fewer): each answer then stands in two. ``repeats`` is the share that is asked
    once more, the answers swapped. ``ranking`` asks for one order of all answers instead.
    """

    pairs: int | None = None
    repeats: float = 0.1
    seed: int = 0
    ranking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The tasks in the order in which they are to be imported, and what they are made of.

    ``alone`` counts the prompts with one answer, of which nothing is asked, ``same`` the answers
    that were another's text, ``shown`` in how many pairs the answers stand, repeats aside.
    """

    tasks: list[dict[str, Any]]
    prompts: int
    pairs: int
    repeats: int
    alone: int
    same: int
    orders: Counter[str]
    shown: Counter[int]


def make_tasks(prompts: Sequence[Responses], plan: Plan) -> Made:
    """The tasks of all prompts with two answers or more.

    Repeats stand at the end, so that nobody sees a pair and its repeat close together; what comes
    before is shuffled, so that what is judged first is a fair part of the whole.

    Raises
        PairingError: fewer pairs are asked for than it takes to connect the answers of a prompt.
    """
    several = [each for each in prompts if len(each.texts) > 1]
    shown: Counter[int] = Counter()
    tasks: list[dict[str, Any]] = []
    for prompt in several:
        made = [_ranking(prompt, plan)] if plan.ranking else _paired(prompt, plan)
        tasks += made
        shown.update(_standings(prompt, made))
    again = _repeats(tasks, plan)
    tasks = _by_draw(tasks, plan, "task") + _by_draw(again, plan, "task")
    return Made(
        tasks=tasks,
        prompts=len(several),
        pairs=len(tasks) - len(again),
        repeats=len(again),
        alone=len(prompts) - len(several),
        same=sum(each.same for each in prompts),
        orders=Counter(str(task["order"]) for task in tasks),
        shown=shown,
    )


def design(answers: int, pairs: int) -> list[tuple[int, int]]:
    """So many pairs of the answers 0, 1, ...: connected, and each answer as often as any other.

    At least one fewer than answers; the numbers of pairs in which two answers stand differ by one
    at most. An even number of answers is paired off round after round by the circle method, whose
    successive rounds join into a ring; an odd number goes round rings that share no pair (Walecki's
    construction; Alspach, "The wonderful Walecki construction", 2008).

    >>> design(4, 3), design(3, 3)
    ([(0, 3), (2, 1), (1, 3)], [(2, 0), (0, 1), (1, 2)])
    """
    edges: list[tuple[int, int]] = []
    for ring in _rounds(answers) if answers % 2 == 0 else _rings(answers):
        left = pairs - len(edges)
        if left <= 0:
            break
        if left >= len(ring) or answers % 2 == 0:
            edges += ring[:left]
        elif left <= len(ring) // 2:
            edges += ring[: 2 * left : 2]  # no two of them have an answer in common
        else:
            missing = set(ring[: 2 * (len(ring) - left) : 2])
            edges += [edge for edge in ring if edge not in missing]
    return edges


def _rounds(answers: int) -> Iterator[list[tuple[int, int]]]:
    turning, last = answers - 1, answers - 1
    for turn in range(turning):
        yield [
            (turn, last),
            *(
                ((turn - step) % turning, (turn + step) % turning)
                for step in range(1, answers // 2)
            ),
        ]


def _rings(answers: int) -> Iterator[list[tuple[int, int]]]:
    around, centre = answers - 1, answers - 1
    zigzag = [(step + 1) // 2 * (1 if step % 2 else -1) for step in range(around)]
    for turn in range(around // 2):
        stations = [centre, *((place + turn) % around for place in zigzag), centre]
        yield list(pairwise(stations))


def _paired(prompt: Responses, plan: Plan) -> list[dict[str, Any]]:
    count = len(prompt.texts)
    every = count * (count - 1) // 2
    wanted = min(every, count if plan.pairs is None else plan.pairs)
    if wanted < count - 1:
        raise PairingError(
            f"prompt {prompt.id!r} has {count} answers: fewer than {count - 1} pairs leave some "
            f"that are compared with no others, not even through a third; ask for {count - 1} "
            "pairs or more for each prompt"
        )
    places = _shuffled(range(count), plan, f"places:{prompt.id}")
    made = []
    for one, other in design(count, wanted):
        a, b = sorted((places[one], places[other]))
        name = f"{prompt.id}:{a + 1}-{b + 1}"
        order = Order.BA if _draw(plan, f"order:{name}") < 0.5 else Order.AB
        made.append(_pair(prompt, name, (prompt.texts[a], prompt.texts[b]), order))
    return made


def _pair(prompt: Responses, name: str, texts: tuple[str, str], order: Order) -> dict[str, Any]:
    a, b = texts
    left, right = (a, b) if order is Order.AB else (b, a)
    own = {"id": name, "prompt": prompt.prompt, "left": left, "right": right, "order": order.value}
    return prompt.more | own


def _ranking(prompt: Responses, plan: Plan) -> dict[str, Any]:
    places = _shuffled(range(len(prompt.texts)), plan, f"places:{prompt.id}")
    # No bare numbers: Label Studio's page would sort them, and the drawn order would be lost.
    answers = [{"id": f"a{place + 1}", "body": prompt.texts[place]} for place in places]
    own = {"id": prompt.id, "prompt": prompt.prompt, "answers": answers, "order": "drawn"}
    return prompt.more | own


def _standings(prompt: Responses, tasks: Iterable[dict[str, Any]]) -> Iterator[int]:
    """In how many tasks each answer stands."""
    stand = Counter(
        text
        for task in tasks
        for text in (
            [each["body"] for each in task["answers"]]
            if "answers" in task
            else [task["left"], task["right"]]
        )
    )
    return (stand[text] for text in prompt.texts)


def _repeats(tasks: Sequence[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """The share with the smallest draws, turned round."""
    chosen = _by_draw(tasks, plan, "repeat")[: round(plan.repeats * len(tasks))]
    return [
        task | _turned(task) | {"id": f"{task['id']}:{_ENDING}", "repeat_of": task["id"]}
        for task in chosen
    ]


def _turned(task: dict[str, Any]) -> dict[str, Any]:
    if "answers" in task:
        return {"answers": task["answers"][::-1]}
    order = Order.AB if task["order"] == Order.BA else Order.BA
    return {"left": task["right"], "right": task["left"], "order": order.value}


def _by_draw(tasks: Sequence[dict[str, Any]], plan: Plan, stream: str) -> list[dict[str, Any]]:
    return sorted(tasks, key=lambda task: _draw(plan, f"{stream}:{task['id']}"))


def _shuffled(values: Iterable[int], plan: Plan, stream: str) -> list[int]:
    return sorted(values, key=lambda value: _draw(plan, f"{stream}:{value}"))


def _draw(plan: Plan, name: str) -> float:
    """One number in [0, 1), the same for the same seed and name."""
    digest = hashlib.sha256(f"{plan.seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
