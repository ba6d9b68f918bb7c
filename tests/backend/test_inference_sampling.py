"""Looking at what deployed models answered: shares, draws, states and counts, each once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.orm import Session

from backend.histories import task_numbers
from backend.inferences import sampling
from backend.leasing import Lease, holding
from backend.store.inference_samples import Waiting, waiting_inferences
from backend.store.reports import MONITORING, Report, store_report
from connectors.annotation_tool import AnnotationToolUnavailableError
from policies.answer_texts import set_text
from policies.loading import parse_policy
from policies.monitoring_shares import STREAM
from policies.sampling import draws
from tests.fakes.deployed_model import day_rows, hand_in, noted, run, states
from tests.fakes.interrupted_sessions import interrupted
from tests.fakes.worked_project import WorkedProject, text_of, worked_policy, worked_project

DOWN = AnnotationToolUnavailableError("Label Studio is down")
Make = Callable[..., WorkedProject]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A project whose policy has this section monitoring."""

    def made(**monitoring: Any) -> WorkedProject:
        section = {"share": 0.2, "each_class": 0} | monitoring
        return worked_project(tmp_path, worked_policy(monitoring=section))

    return made


def test_every_answer_is_looked_at_once_and_drawn_by_its_id(make: Make) -> None:
    worked = make()
    ids = hand_in(worked, ["A", "B"] * 250)
    found = run(worked)
    rows = noted(worked)
    expected = draws("labelgate", STREAM, task_numbers(ids))
    assert [rows[each].draw for each in ids] == expected.tolist()
    assert {row.share for row in rows.values()} == {0.2}
    drawn = int((expected < 0.2).sum())
    assert found == {
        "looked_at": 500, "drawn": drawn, "placed": drawn, "lost": 0, "wanted": 0
    }  # fmt: skip
    assert states(worked) == {"placed": drawn, "passed": 500 - drawn}
    for name, draw in zip(ids, expected.tolist(), strict=True):
        assert (rows[name].state == "placed") == (draw < 0.2)
        assert rows[name].why == ("20.0% of all answers" if draw < 0.2 else None)
    assert run(worked) == dict.fromkeys(found, 0)


def test_what_came_is_counted_by_day_version_label_and_slice(make: Make) -> None:
    worked = make(slices=["site"])
    first, second = (datetime(2026, 2, day, 23, 30, tzinfo=UTC) for day in (1, 2))
    data = [{"text": "x", "site": site} for site in ("Basel", "Basel", "Lyon")]
    hand_in(worked, ["A", "A", "B"], data=data, at=first)
    run(worked)
    hand_in(worked, ["A"], data=data[:1], at=first, first=10)
    hand_in(worked, ["A"], data=[{"text": "x"}], at=second, first=20, version="next")
    run(worked)
    assert day_rows(worked) == {
        ("2026-02-01", "2026-02", "A", '{"site":"Basel"}'): 3,
        ("2026-02-01", "2026-02", "B", '{"site":"Lyon"}'): 1,
        ("2026-02-02", "next", "A", '{"site":""}'): 1,
    }


def test_a_day_ends_where_it_ends_in_utc(make: Make) -> None:
    worked = make()
    east = datetime.fromisoformat("2026-02-02T01:00:00+03:00")
    hand_in(worked, ["A"], at=east)
    run(worked)
    assert [key[0] for key in day_rows(worked)] == ["2026-02-01"]


def test_the_floor_of_a_class_comes_from_what_came_before_however_chunks_fall(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = make(share=0.001, each_class=10)
    day = datetime(2026, 2, 1, tzinfo=UTC)
    for number in range(30):
        labels = ["A"] * 40 + ["B"]
        hand_in(worked, labels, first=100 * number, at=day + timedelta(days=number))
        run(worked)
    last = [noted(worked)[f"req-{2_900 + place}"] for place in range(41)]
    assert last[0].share == pytest.approx(10 / 1_200)
    assert last[-1].share == pytest.approx(10 / 30)
    drawn_b = [r for r in noted(worked).values() if r.predicted == "B" and r.state != "passed"]
    assert 3 < len(drawn_b) < 20  # ten are wanted of thirty

    monkeypatch.setattr(sampling, "CHUNK", 7)
    hand_in(worked, ["A"] * 40 + ["B"], first=5_000, at=day + timedelta(days=30))
    run(worked)
    # Counts that were stored, and those of the chunks before: the same thirty days.
    assert noted(worked)["req-5040"].share == pytest.approx(10 / 30)
    assert sum(day_rows(worked).values()) == 31 * 41


def test_answers_of_months_ago_are_held_against_their_own_month(make: Make) -> None:
    """A file of history: each answer's class floor is that of the days before it."""
    worked = make(share=0.001, each_class=5)
    old = datetime(2025, 6, 1, tzinfo=UTC)
    for month, size in ((0, 300), (4, 30)):
        for day in range(30):
            at = old + timedelta(days=30 * month + day)
            hand_in(worked, ["A"] * (size // 30), first=1_000 * (month * 30 + day), at=at)
    run(worked)
    rows = noted(worked)
    assert rows[f"req-{29 * 1_000}"].share == pytest.approx(5 / 300)
    assert rows[f"req-{149 * 1_000}"].share == pytest.approx(5 / 30)


def test_slices_that_the_newest_report_raises_are_drawn_more(make: Make) -> None:
    worked = make(share=0.1, slices=["site"])
    raised = {"factor": 3.0, "most": 0.5, "since": worked.clock().isoformat()}
    body = {
        "raised": [
            raised | {"label": "B", "field": None, "value": None},
            raised | {"label": None, "field": "site", "value": "Lyon", "factor": 9.0},
        ]
    }
    with worked.runtime.sessions.begin() as session:
        report = Report(kind=MONITORING, model_version=None, made_at=worked.clock(), body=body)
        store_report(session, worked.project_id, report)
    sites = ["Basel", "Basel", "Lyon", None]
    data = [{"text": "x"} | ({} if site is None else {"site": site}) for site in sites]
    hand_in(worked, ["A", "B", "A", "A"], data=data)
    run(worked)
    shares = [row.share for row in noted(worked).values()]
    assert shares == pytest.approx([0.1, 0.3, 0.5, 0.1], abs=1e-4)
    worked.clock.forward(14 * 86_400)  # a half life later
    hand_in(worked, ["B"], first=10, data=data[:1])
    run(worked)
    assert noted(worked)["req-10"].share == pytest.approx(0.2, abs=1e-3)


def test_rules_look_at_score_label_and_data_whether_it_is_kept_or_not(make: Make) -> None:
    rules = [
        {"when": {"kind": "task_field", "field": "site", "equals": "Lyon"}, "share": 0.9},
        {"when": {"kind": "task_field", "field": "hour", "range": {"min": 20}}, "share": 0.8},
        {"when": {"kind": "score", "below": 0.5}, "share": 0.7},
    ]
    for keep, expected in (("data", [0.9, 0.8, 0.7, 0.2]), ("ids", [0.9, 0.2, 0.7, 0.2])):
        worked = make(rules=rules, slices=["site"], keep=keep)
        first = 0 if keep == "data" else 10
        hand_in(
            worked,
            ["A"] * 4,
            first=first,
            scores=[0.9, 0.9, 0.4, None],
            data=[
                {"text": "x", "site": "Lyon"},
                {"text": "x", "hour": 23},
                {"text": "x"},
                {"text": "x"},
            ],
        )
        run(worked)
        rows = noted(worked)
        assert [rows[f"req-{first + place}"].share for place in range(4)] == expected


def test_novelty_comes_from_the_projects_own_model_where_there_is_one(make: Make) -> None:
    rules = [{"when": {"kind": "novelty", "above": 0.5}, "share": 1.0}]
    worked = make(rules=rules)
    data = [{"text": text_of("fruit", 3)}, {"text": "zzz qqq www kkk"}, {"no": "text"}]
    hand_in(worked, ["A"] * 3, data=data)
    run(worked)
    assert {row.share for row in noted(worked).values()} == {0.2}  # nothing tells it yet
    worked.promote(policy=parse_policy(worked.project.policy_text))
    hand_in(worked, ["A"] * 3, first=10, data=data)
    run(worked)
    rows = noted(worked)
    assert [rows[f"req-{10 + place}"].share for place in range(3)] == [0.2, 1.0, 0.2]
    assert rows["req-11"].why == (
        "100.0% of what monitoring.rules[0] matches: the distance to the training data is above 0.5"
    )


def test_how_often_the_own_model_has_seen_the_label_is_known_where_it_serves(make: Make) -> None:
    worked = make(rules=[{"when": {"kind": "class_support", "below": 20}, "share": 1.0}])
    hand_in(worked, ["A"])
    run(worked)
    worked.promote()  # a version that noted no examples counts as having seen none
    hand_in(worked, ["A"], first=10)
    run(worked)
    rows = noted(worked)
    assert [rows["req-0"].share, rows["req-10"].share] == [0.2, 1.0]


def test_of_sets_of_labels_a_rule_finds_each_and_all_are_counted_together(make: Make) -> None:
    worked = make(
        share=0.001,
        each_class=6,
        rules=[{"when": {"kind": "predicted_label", "in": ["B"]}, "share": 0.7}],
    )
    config = worked.project.label_config.replace("<Choices ", '<Choices choice="multiple" ')
    worked.tool.set_label_config(worked.project_id, config)
    worked.connect(parse_policy(worked.project.policy_text))
    hand_in(worked, [set_text(["A"]), set_text(["A", "B"]), set_text([])])
    run(worked)
    assert [row.share for row in noted(worked).values()] == pytest.approx([6 / 90, 0.7, 6 / 90])
    assert [key[2] for key in day_rows(worked)] == [""]


def test_a_model_that_cannot_be_read_leaves_what_it_tells_unknown(make: Make) -> None:
    worked = make(rules=[{"when": {"kind": "novelty", "above": 0.0}, "share": 1.0}])
    worked.promote()
    for file in worked.runtime.settings.models_dir.rglob("*.skops"):
        file.write_bytes(b"other")
    hand_in(worked, ["A"])
    run(worked)
    assert noted(worked)["req-0"].share == 0.2


def test_what_a_route_matches_is_drawn_more_where_the_policy_says_so(tmp_path: Path) -> None:
    routes = [{"kind": "predicted_label", "in": ["B"], "tier": "senior"}]
    monitoring = {"share": 0.2, "each_class": 0, "routed": 0.6}
    worked = worked_project(tmp_path, worked_policy(routes=routes, monitoring=monitoring))
    hand_in(worked, ["A", "B"])
    run(worked)
    assert [row.share for row in noted(worked).values()] == [0.2, 0.6]


def test_drawing_goes_on_while_label_studio_is_down(make: Make) -> None:
    worked = make(share=1.0)
    hand_in(worked, ["A"] * 3)
    worked.tool.fail_next("tasks_after", DOWN)
    with pytest.raises(AnnotationToolUnavailableError):
        run(worked)
    assert states(worked) == {"drawn": 3}
    assert sum(day_rows(worked).values()) == 3
    assert run(worked)["placed"] == 3


def test_a_crash_at_any_transaction_counts_nothing_twice_and_forgets_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = make(share=0.3)
    monkeypatch.setattr(sampling, "CHUNK", 10)
    hand_in(worked, ["A", "B"] * 20)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sampling, "add_day_counts", crash)  # within the transaction
        with pytest.raises(KeyboardInterrupt):
            run(worked)
    assert states(worked) == {"waiting": 40}
    for number in (1, 2, 3):
        broken = interrupted(worked.runtime, {number: crash})
        with pytest.raises(KeyboardInterrupt):
            sampling.sample_waiting(
                broken, worked.project, worked_policy(monitoring={"share": 0.3}), UNDISPUTED
            )
    assert states(worked)["waiting"] == 10
    run(worked)
    assert sum(day_rows(worked).values()) == 40
    assert "waiting" not in states(worked)


class _Undisputed(Lease):
    """A lease that nobody else wants."""

    def renew(self, session: Session) -> bool:
        del session
        return True


UNDISPUTED = _Undisputed("test", "test")


def test_while_another_process_is_at_it_the_job_does_nothing(make: Make) -> None:
    worked = make()
    hand_in(worked, ["A"] * 5)
    with holding(worked.runtime, f"inferences {worked.project_id}"):
        assert set(run(worked).values()) == {0}
        assert states(worked) == {"waiting": 5}
    assert run(worked)["looked_at"] == 5


def test_the_draw_is_fair_among_all_that_came(make: Make) -> None:
    worked = make(share=0.1)
    hand_in(worked, ["A"] * 3_000)
    found = run(worked)
    assert abs(found["drawn"] - 300) < 4 * np.sqrt(3_000 * 0.1 * 0.9)


def test_answers_that_never_stop_coming_do_not_hold_up_the_round(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = make(share=0.001)
    hand_in(worked, ["A"] * 25)
    monkeypatch.setattr(sampling, "CHUNK", 10)
    more = iter(range(100, 200))

    def waiting(session: Session, *asked: Any, **how: Any) -> Waiting:
        """One answer comes before every look."""
        hand_in(worked, ["B"], first=next(more))
        return waiting_inferences(session, *asked, **how)

    monkeypatch.setattr(sampling, "waiting_inferences", waiting)
    assert run(worked)["looked_at"] < 40
