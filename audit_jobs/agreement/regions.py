"""Agreement on what people marked: regions of every shape, relations, attributes of regions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit_jobs.measures.masks import dice, union
from audit_jobs.measures.matching import Annotations, Similarity
from audit_jobs.measures.pairs import Answered, Pairs, Scores, pooled_f1
from audit_jobs.measures.regions import (
    SAME_REGION,
    Compared,
    compared_within,
    matched_counts,
    region_alpha,
    region_scores,
    same_regions,
)
from audit_jobs.measures.resampling import Figures
from audit_jobs.measures.shapes import similarity_of
from audit_jobs.measures.spans import Characters, character_alpha, characters, marked_words
from connectors.answers import (
    Answer,
    Attribute,
    Control,
    Mask,
    Point,
    Region,
    Relation,
    Shape,
    Span,
)
from policies.domain import FloatArray, IntArray

# The least similarity above none at all: any overlap counts.
_ANY_OVERLAP = 5e-324
_IOU = {"f1_50": 0.5, "f1_75": 0.75}
MEAN_IOU = "mean_iou"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Agreed:
    """The figures of one control: means over pairs of answers in ``scores``, others ready made.

    ``main`` names the score by which annotators are compared with each other.
    """

    answered: Answered
    pairs: Pairs
    scores: dict[str, Scores]
    main: str
    others: tuple[Figures, ...] = ()


def agreed_regions(control: Control, tasks: int, seed: int) -> Agreed:
    """Agreement on regions of any shape; the shape most of them have says which figures."""
    answers: Sequence[Answer[tuple[Region, ...]]] = control.answers
    shapes = [region.shape for answer in answers for region in answer.value]
    labels = [region.labels for answer in answers for region in answer.value]
    annotations = _annotations(answers, labels)
    similarity = similarity_of(shapes)
    every = compared_within(annotations, similarity)
    mean, thresholds = _thresholds(shapes)
    scores = region_scores(every, mean, thresholds)
    others = [region_alpha(every, similarity, tasks, seed)]
    if any(isinstance(shape, Span) for shape in shapes):
        exact = every.same_label & (every.found.similarity == 1)
        counts = (matched_counts(every, exact), np.sum(every.sizes, axis=0))
        whose = (annotations.answered, every.pairs)
        others.append(pooled_f1(*whose, counts, "f1_exact_pooled", tasks))
        counts = _word_counts(answers, every.pairs, control.texts)
        others.append(pooled_f1(*whose, counts, "f1_words_pooled", tasks))
        others.append(character_alpha(_characters(answers, control.texts), tasks))
    if any(isinstance(shape, Mask) for shape in shapes):
        scores["dice"] = _dice(answers, every)
    return Agreed(
        answered=annotations.answered,
        pairs=every.pairs,
        scores=scores,
        main=mean,
        others=tuple(others),
    )


def agreed_relations(
    answers: Sequence[Answer[tuple[Relation, ...]]], tasks: int, seed: int
) -> Agreed:
    """Agreement on relations: two are as similar as the less similar of their ends."""
    relations = [relation for answer in answers for relation in answer.value]
    labels = [(relation.labels, relation.directed) for relation in relations]
    annotations = _annotations(answers, labels)
    similarity = _relation_similarity(relations)
    every = compared_within(annotations, similarity)
    return Agreed(
        answered=annotations.answered,
        pairs=every.pairs,
        scores=region_scores(every, "mean_similarity", {"f1": SAME_REGION}),
        main="f1",
        others=(region_alpha(every, similarity, tasks, seed),),
    )


def agreed_attributes(
    answers: Sequence[Answer[tuple[Attribute[Any], ...]]], alike: Callable[[Any, Any], float | None]
) -> Agreed:
    """Agreement on what was said of each region; regions are matched by place alone.

    ``agreement`` is over matched regions only: what. ``agreement_with_place`` weighs it by how well
    the regions match and counts an unmatched one 0: where and what.
    """
    attributes = [attribute for answer in answers for attribute in answer.value]
    annotations = _annotations(answers, [()] * len(attributes))
    every = compared_within(
        annotations, similarity_of([attribute.region.shape for attribute in attributes])
    )
    found = every.found
    values = np.zeros(len(found.pair))
    for place in np.flatnonzero(found.similarity >= SAME_REGION).tolist():
        one, other = attributes[found.left[place]], attributes[found.right[place]]
        values[place] = alike(one.value, other.value) or 0.0
    chosen = same_regions(every, values)
    pair, n = found.pair[chosen], len(every.pairs)
    matched = np.bincount(pair, minlength=n).astype(np.float64)
    left, right = every.sizes
    said = np.bincount(pair, weights=values[chosen], minlength=n).astype(np.float64)
    placed = np.bincount(pair, weights=(values * found.similarity)[chosen], minlength=n)
    return Agreed(
        answered=annotations.answered,
        pairs=every.pairs,
        scores={
            "agreement": Scores(above=said, below=matched),
            "agreement_with_place": Scores(
                above=placed.astype(np.float64), below=left + right - matched
            ),
        },
        main="agreement",
    )


def _annotations(
    answers: Sequence[Answer[tuple[Any, ...]]], labels: Sequence[Hashable]
) -> Annotations:
    codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    sizes = [len(answer.value) for answer in answers]
    return Annotations(
        answered=answered_by(answers),
        starts=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
        labels=np.array([codes[label] for label in labels], dtype=np.int64),
    )


def answered_by(answers: Sequence[Answer[Any]]) -> Answered:
    """Who answered which task."""
    return Answered(
        tasks=np.array([answer.task for answer in answers], dtype=np.int64),
        raters=np.array([answer.annotator for answer in answers], dtype=np.int64),
    )


def _thresholds(shapes: Sequence[Shape]) -> tuple[str, dict[str, float]]:
    """The name of the mean, and from which similarity on two regions count as the same."""
    most = Counter(type(shape) for shape in shapes).most_common(1)
    match most[0][0] if most else None:
        case kind if kind is Span:
            return MEAN_IOU, {"f1_exact": 1.0, "f1_overlap": _ANY_OVERLAP}
        case kind if kind is Point:
            return "mean_nearness", {"f1_within_tolerance": _ANY_OVERLAP}
    return MEAN_IOU, _IOU


def _characters(
    answers: Sequence[Answer[tuple[Region, ...]]], texts: Mapping[int, str]
) -> dict[int, list[Characters]]:
    """The marked texts of each task, those of each container apart."""
    by_task: defaultdict[int, list[tuple[Region, ...]]] = defaultdict(list)
    for answer in answers:
        by_task[answer.task].append(answer.value)
    found = {}
    for task, everybody in by_task.items():
        containers = {_container(region) for regions in everybody for region in regions} or {""}
        found[task] = [
            characters(
                [_labelled(regions, container) for regions in everybody],
                len(texts[task]) if container == "" and task in texts else None,
            )
            for container in sorted(containers)
        ]
    return found


def _word_counts(
    answers: Sequence[Answer[tuple[Region, ...]]], pairs: Pairs, texts: Mapping[int, str]
) -> tuple[IntArray, IntArray]:
    """Of each pair of answers, the labelled words they share and all of both; 0 without a text."""
    words = [
        marked_words(_labelled(answer.value, ""), texts.get(answer.task, "")) for answer in answers
    ]
    both = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    return (
        np.array([len(words[one] & words[other]) for one, other in both], dtype=np.int64),
        np.array([len(words[one]) + len(words[other]) for one, other in both], dtype=np.int64),
    )


def _container(region: Region) -> str:
    return region.shape.container if isinstance(region.shape, Span) else ""


def _labelled(regions: Sequence[Region], container: str) -> list[tuple[int, int, str]]:
    return [
        (region.shape.start, region.shape.end, label)
        for region in regions
        if isinstance(region.shape, Span) and region.shape.container == container
        for label in region.labels or ("",)
    ]


def _dice(answers: Sequence[Answer[tuple[Region, ...]]], every: Compared) -> Scores:
    """Dice of all that both painted, label by label, however many strokes it took."""
    painted = [_by_label(answer.value) for answer in answers]
    empty = np.empty((0, 2), dtype=np.int64)
    pairs, known = every.pairs, every.found.comparable.astype(np.float64)
    values = np.ones(len(pairs))
    for place, (one, other) in enumerate(zip(pairs.left, pairs.right, strict=True)):
        ours, theirs = painted[one], painted[other]
        each = [
            dice(ours.get(label, empty), theirs.get(label, empty))
            for label in ours.keys() | theirs.keys()
        ]
        values[place] = sum(each) / len(each) if each else 1.0
    return Scores(above=values * known, below=known)


def _by_label(regions: Sequence[Region]) -> dict[Hashable, IntArray]:
    """What is painted for each label; images of different sizes are different things."""
    found: defaultdict[Hashable, list[IntArray]] = defaultdict(list)
    for region in regions:
        if isinstance(region.shape, Mask):
            size = (region.shape.width, region.shape.height)
            found[(region.labels, size)].append(region.shape.runs)
    return {key: union(runs) for key, runs in found.items()}


def _relation_similarity(relations: Sequence[Relation]) -> Similarity:
    n = len(relations)
    ends = similarity_of(
        [each.source.shape for each in relations] + [each.target.shape for each in relations]
    )
    directed = np.array([each.directed for each in relations], dtype=np.bool_)

    def similarity(left: IntArray, right: IntArray) -> FloatArray:
        straight = np.minimum(ends(left, right), ends(left + n, right + n))
        crossed = np.minimum(ends(left, right + n), ends(left + n, right))
        both_ways = ~directed[left] & ~directed[right]
        return np.where(both_ways, np.maximum(straight, crossed), straight)

    return similarity
