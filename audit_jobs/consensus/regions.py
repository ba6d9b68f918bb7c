"""Regions that most annotators of a task marked: text spans and upright boxes of an export."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from audit_jobs.measures import merged_regions
from audit_jobs.measures.merged_regions import MergedBox, MergedSpan, merged_boxes, merged_spans
from connectors.answers import Answer, Box, Region, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A region that most annotators of a task marked: where it is, and what it is called."""

    place: dict[str, Any]
    label: str
    confidence: float
    tied: bool


def why_not_merged(regions: Sequence[Region]) -> str | None:
    """What stands against merging these regions of one control; None where they can be."""
    if not regions:
        return "none of its regions can be read"
    most = Counter(type(region.shape) for region in regions).most_common(1)[0][0]
    shape = most if most in {Span, Box} else None
    others = sum(type(region.shape) is not shape for region in regions)
    if others:
        needed = {Span: "text spans", Box: "upright boxes"}.get(most, "text spans or upright boxes")
        return f"{others:,} of {len(regions):,} regions are no {needed}"
    several = sum(len(region.labels) > 1 for region in regions)
    if several:
        return f"{several:,} of {len(regions):,} regions have several labels at once"
    return None


def kept_regions(answers: Sequence[Answer[tuple[Region, ...]]]) -> dict[int, list[Kept]]:
    """By task, the regions that more than half of its annotators marked.

    For regions that nothing in ``why_not_merged`` stands against.
    """
    by_task: defaultdict[int, list[tuple[Region, ...]]] = defaultdict(list)
    for answer in answers:
        by_task[answer.task].append(answer.value)
    shapes = (region.shape for answer in answers for region in answer.value)
    merge = _spans if isinstance(next(shapes), Span) else _boxes
    return {task: merge(annotations) for task, annotations in by_task.items()}


def _spans(annotations: Sequence[tuple[Region, ...]]) -> list[Kept]:
    """Merged within each container: places in two paragraphs cannot be compared."""
    marked = [
        [(region.shape, _only(region)) for region in regions if isinstance(region.shape, Span)]
        for regions in annotations
    ]
    containers = dict.fromkeys(shape.container for regions in marked for shape, _ in regions)
    return [
        _kept(each, {"container": container} if container else {})
        for container in containers
        for each in merged_spans(
            [
                [
                    merged_regions.Span(start=shape.start, end=shape.end, label=label)
                    for shape, label in regions
                    if shape.container == container
                ]
                for regions in marked
            ]
        )
    ]


def _boxes(annotations: Sequence[tuple[Region, ...]]) -> list[Kept]:
    boxes = [
        [_box(region.shape, _only(region)) for region in regions if isinstance(region.shape, Box)]
        for regions in annotations
    ]
    return [_kept(each, {}) for each in merged_boxes(boxes)]


def _box(shape: Box, label: str) -> merged_regions.Box:
    width, height = shape.right - shape.left, shape.bottom - shape.top
    return merged_regions.Box(x=shape.left, y=shape.top, width=width, height=height, label=label)


def _kept(merged: MergedSpan | MergedBox, container: dict[str, Any]) -> Kept:
    place = asdict(merged.region)
    return Kept(
        label=place.pop("label"),
        place=container | place,
        confidence=merged.support.confidence,
        tied=merged.support.tied,
    )


def _only(region: Region) -> str:
    """The label of a region that has one at most; none is a label of its own in the vote."""
    return region.labels[0] if region.labels else ""
