"""Agreement on boxes: 10,000 tasks, 3 annotators, 10 boxes each; beside a plain loop over shapely.

Figures of the whole: matching with labels and without, F1 at two overlaps, alpha against chance,
every interval from 1,000 resamples. The loop does one of these things: each pair of annotations'
IoU table and one matching, without any interval; it runs on a share of the tasks and is scaled up.
Run: ``python -m benchmarks.structured_agreement``.
"""

from __future__ import annotations

import resource
import time
from itertools import combinations

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment

from audit_jobs.agreement.controls import control_agreement
from benchmarks.results import at_most, finish, told
from connectors.answers import Answer, Box, Control, Kind, Region

TASKS, ANNOTATORS, BOXES = 10_000, 3, 10
LOOP_SHARE = 50  # the loop sees one task in so many
LIMIT_S = 15.0


def drawn() -> Control:
    """The same true boxes for all annotators of a task, each drawn a little off; 5 % misnamed."""
    rng = np.random.default_rng(0)
    answers = []
    for task in range(TASKS):
        corners = rng.uniform(0, 80, (BOXES, 2))
        sizes = rng.uniform(5, 20, (BOXES, 2))
        labels = rng.integers(0, 4, BOXES)
        for annotator in range(ANNOTATORS):
            edges = np.hstack([corners, corners + sizes]) + rng.normal(0, 0.8, (BOXES, 4))
            said = np.where(rng.random(BOXES) < 0.05, rng.integers(0, 4, BOXES), labels)
            regions = tuple(
                Region(
                    shape=Box(left=left, top=top, right=right, bottom=bottom), labels=(str(label),)
                )
                for (left, top, right, bottom), label in zip(
                    edges.tolist(), said.tolist(), strict=True
                )
            )
            answers.append(Answer(task=task, annotator=annotator, value=regions))
    return Control(
        name="box",
        type="rectanglelabels",
        kind=Kind.REGIONS,
        per_region=False,
        answers=tuple(answers),
        texts={},
    )


def shapely_loop(control: Control) -> float:
    """The mean IoU of matched boxes, as one would write it down first."""
    by_task: dict[int, list[list[shapely.Polygon]]] = {}
    for answer in control.answers:
        if answer.task % LOOP_SHARE == 0:
            edges = [region.shape for region in answer.value]
            boxes = [shapely.box(each.left, each.top, each.right, each.bottom) for each in edges]
            by_task.setdefault(answer.task, []).append(boxes)
    found = []
    for drawn_by in by_task.values():
        for ours, theirs in combinations(drawn_by, 2):
            table = np.array(
                [
                    [one.intersection(two).area / one.union(two).area for two in theirs]
                    for one in ours
                ]
            )
            rows, columns = linear_sum_assignment(table, maximize=True)
            found.append(table[rows, columns].sum() / max(len(ours), len(theirs)))
    return float(np.mean(found))


def main() -> None:
    """Print seconds, the ratio to the loop and the peak of memory."""
    control = drawn()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.process_time()
    agreed = control_agreement(control)
    ours = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    start = time.process_time()
    loop_iou = shapely_loop(control)
    loop = (time.process_time() - start) * LOOP_SHARE

    mean = agreed.measures["mean_iou_any_label"].value
    print(
        f"{TASKS:,} tasks x {ANNOTATORS} annotators x {BOXES} boxes, {len(agreed.measures)} figures"
    )
    print(f"all of it: {ours:.2f} s, {ours / LIMIT_S:.2f} of the limit of {LIMIT_S:g} s")
    print(f"plain shapely loop, mean IoU alone: {loop:.1f} s, {loop / ours:.1f} times as long")
    print(f"mean IoU {mean:.4f}, the loop's {loop_iou:.4f} on 1 task in {LOOP_SHARE}")
    print(f"memory: {peak:.0f} MB at the peak, {before:.0f} MB of them for the boxes themselves")
    finish(
        [
            at_most(
                f"{TASKS:,} tasks x {ANNOTATORS} annotators x {BOXES} boxes",
                figure=f"{ours:.2f} s, {peak:.0f} MB",
                peer=f"{LIMIT_S:g} s",
                ratio=ours / LIMIT_S,
                limit=1.0,
            ),
            told(
                "all figures, times faster than the mean IoU alone",
                figure=f"{ours:.2f} s",
                peer=f"a plain shapely loop {loop:.1f} s",
                ratio=loop / ours,
            ),
        ]
    )


if __name__ == "__main__":
    main()
