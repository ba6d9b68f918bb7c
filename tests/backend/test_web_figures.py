"""The figures of a project on its page: charts of what jobs stored, and links that lead on."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from markupsafe import Markup
from sqlalchemy import event

from backend.figures.accuracy import accuracy_chart
from backend.figures.agreement import agreement_map, people_maps
from backend.figures.audits import breaker_chart, by_label_chart, pass_rate_chart
from backend.figures.corrections import confused_pairs, confusion_map, correction_chart
from backend.figures.drift import class_chart, feature_map
from backend.figures.gathered import Gathered, gather
from backend.figures.scores import reliability_charts, risk_charts
from backend.figures.sections import figures_of
from backend.figures.six import six_rows
from backend.figures.worth import cost_chart, gain_chart, loop_chart
from backend.store.projects import active_project
from policies.domain import Certification
from tests.backend.charts.drawn import (
    check_safe_and_named,
    numbers,
    places,
    read,
    svg_of,
    texts,
    with_class,
)
from tests.fakes.measured_project import LABELS, VERSIONS, WEEKS, measured_project
from tests.fakes.web_project import PROJECT_ID, WebProject, web_project

URL = "http://label-studio.example"


def gathered_of(project: WebProject) -> Gathered:
    with project.runtime.reads() as session:
        connected = active_project(session, PROJECT_ID)
        assert connected is not None
        return gather(session, connected, URL)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> WebProject:
    return measured_project(tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="module")
def full(measured: WebProject) -> Gathered:
    return gathered_of(measured)


@pytest.fixture
def empty(tmp_path: Path) -> Gathered:
    project = web_project(tmp_path)
    project.connect()
    return gathered_of(project)


def says(markup: Markup) -> str:
    return "".join(with_class(read(markup), "chart-says")[0].itertext())


def test_accuracy_has_every_version_and_marks_the_promotions(full: Gathered) -> None:
    markup = accuracy_chart(full)
    svg = svg_of(markup)
    assert len(with_class(svg, "point")) == len(VERSIONS)
    marked = [each for each in with_class(svg, "event") if each.tag == "line"]
    assert len(marked) == 4
    assert says(markup) == (
        "v7 serves and is right on 92.8 % of the holdout (89.8 % to 95.8 %, n = 400)."
    )
    line = places(with_class(svg, "series")[0])
    promoted = {float(each.get("x1") or 0) for each in marked}
    assert promoted == {line[place][0] for place in (0, 2, 4, 6)}


def test_the_certified_and_the_cheapest_threshold_lie_on_the_curve(full: Gathered) -> None:
    (markup,) = risk_charts(full)
    svg = svg_of(markup)
    assert texts(svg, "event-name") == ["certified: 0.800", "cheapest: 0.640"]
    certified, cheapest = (
        float(each.get("x1") or 0) for each in with_class(svg, "event") if each.tag == "line"
    )
    corners = places(with_class(svg, "series")[0])
    start, end = corners[0][0], corners[-1][0]  # 1 % and 100 % accepted
    assert certified == pytest.approx(start + (end - start) * 39 / 99, abs=0.3)
    assert cheapest == pytest.approx(start + (end - start) * 71 / 99, abs=0.3)
    assert says(markup).startswith("Accepted are scores from 0.800: 12 errors in 600 of 1,000")
    assert "promised at most: 5 %" in "".join(read(markup).itertext())


def test_the_curve_says_why_nothing_is_accepted(full: Gathered) -> None:
    (markup,) = risk_charts(replace(full, certification=None))
    assert says(markup) == "Nothing is accepted: no look at the control answers has been taken yet."
    assert texts(svg_of(markup), "event-name") == ["cheapest: 0.640"]
    certified = full.certification
    assert certified is not None
    none = replace(certified.certificates[0], threshold=None, labels_needed=1_200)
    unproved = Certification(model_version="v7", certificates=(none,))
    (markup,) = risk_charts(replace(full, certification=unproved))
    assert "about 1,200 more are needed" in says(markup)


def test_every_group_has_a_curve_and_too_many_are_told(full: Gathered) -> None:
    assert full.curves is not None
    group = full.curves.body["groups"][0]
    groups = [group | {"label": f"L{place}", "answers": place} for place in range(9)]
    found = replace(full, curves=replace(full.curves, body=full.curves.body | {"groups": groups}))
    charts = risk_charts(found)
    assert len(charts) == 6
    assert "What accepting costs: L8" in charts[0]
    assert "3 groups with fewer answers are left out." in charts[0]
    ids = [each.get("id") for chart in charts for each in read(chart).iter() if each.get("id")]
    assert len(ids) == len(set(ids))


def test_calibration_is_put_beside_chance(full: Gathered) -> None:
    (markup,) = reliability_charts(full)
    assert says(markup) == (
        "Scores are off by 5.1 % on average (ECE, n = 1,000); perfect ones would show 1.4 %. "
        "They are too sure."
    )
    assert full.curves is not None
    measure = full.curves.body["reliability"][0] | {"error": 0.01}
    curves = replace(full.curves, body=full.curves.body | {"reliability": [measure]})
    (markup,) = reliability_charts(replace(full, curves=curves))
    assert says(markup).endswith("so nothing says that they are off.")


def test_the_promise_is_a_line_across_the_audits(full: Gathered) -> None:
    markup = pass_rate_chart(full)
    assert [row[0] for row in numbers(markup)[1:]] == list(WEEKS)
    assert "promised at least: 95 %" in "".join(read(markup).itertext())
    assert texts(svg_of(by_label_chart(full)), "row-name") == [
        "business",
        "science <b>&",
        "sport",
        "world",
    ]


def test_the_breaker_shows_its_limit_and_its_trip(full: Gathered) -> None:
    markup = breaker_chart(full)
    svg = svg_of(markup)
    assert texts(svg, "event-name") == ["serves: v7", "tripped: v7"]
    assert "trips at: 2,000" in "".join(read(markup).itertext())
    powers = [text for text in texts(svg, "axis") if text in {"0.1", "1", "10", "100", "1,000"}]
    assert len(powers) >= 4


def test_corrections_have_their_bands(full: Gathered) -> None:
    markup = correction_chart(full)
    told = "".join(read(markup).itertext())
    assert "over it pre-labels do not help: 30 %" in told
    assert "under it the threshold is too cautious: 5 %" in told
    assert numbers(markup)[4][2] == "-"  # nobody answered blind that week


def test_a_confusion_leads_to_its_decisions_and_to_its_tasks(full: Gathered) -> None:
    markup = confusion_map(full)
    links = {each.text: each.get("href") or "" for each in read(markup).iter("a")}
    assert len(links) == 12
    asked = parse_qs(urlsplit(links["17"]).query)
    assert asked == {"label": ["science <b>&"], "human": ["world"]}
    assert urlsplit(links["17"]).path == "/projects/1/decisions"
    first = confused_pairs(full)[0]
    assert first.tasks[0] == ("300", f"{URL}/projects/1/data?task=300")
    assert (first.predicted, first.said, first.count) == ("world", "sport", 28)


def test_two_hundred_labels_are_the_most_confused_and_the_others(full: Gathered) -> None:
    pairs = [
        {"from": f"L{n}", "to": f"L{(n + 1) % 200}", "count": 200 - n, "examples": []}
        for n in range(200)
    ]
    assert full.corrections is not None
    report = replace(full.corrections, body={"confusions": pairs})
    markup = confusion_map(replace(full, corrections=report))
    rows = numbers(markup)
    assert len(rows[0]) == 14  # the corner, twelve labels, others
    assert rows[0][-1] == rows[-1][0] == "others"
    in_cells = sum(
        int("".join(each.itertext()).replace(",", ""))
        for each in read(markup).iter("td")
        if "heat-none" not in (each.get("class") or "") and each.get("class") != "corner"
    )
    assert in_cells == sum(range(1, 201))
    links = list(read(markup).iter("a"))
    assert len(links) == 11  # of the pairs that are named; "others" is no label to ask for


def test_agreement_has_a_row_a_control_with_its_interval(full: Gathered) -> None:
    markup = agreement_map(full)
    assert says(markup) == "Too low: mood. The policy wants 0.6 at least."
    told = "".join(read(markup).itertext())
    assert "0.73 to 0.83, n = 300" in told
    assert "mood: few answers" in told
    label, mood = people_maps(full)
    assert len(numbers(label)) == 6
    assert [numbers(label)[4][0], numbers(label)[5][0]] == ["104", "105"]
    cells = list(next(iter(list(read(mood).iter("tr"))[4:5])))
    assert cells[-1].text is None  # the two share no task


def test_drift_names_what_changed_and_shows_the_classes(full: Gathered) -> None:
    markup = feature_map(full)
    assert says(markup) == "The newest look (2026-02-28 12:00 UTC) found changed: number of words."
    assert numbers(markup)[1][0] == "number of words"  # the surest first
    assert numbers(markup)[1][-1] == "changed, p < 0.001"
    shares = class_chart(full)
    assert says(shares) == "Moved most: business, from 25 % when the version was made to 39 %."
    assert len(with_class(svg_of(shares), "series")) == len(LABELS)


def test_what_it_is_worth(full: Gathered) -> None:
    gain = gain_chart(full)
    assert numbers(gain)[1] == [
        "uncertain",
        "+1.8 points (+1 points to +2.6 points, n = 300); helps, over 4 cycles",
    ]
    cost = cost_chart(full)
    assert says(cost) == (
        "4,200.00 spent, all by hand 10,400.00, 0.042 for each label, 3.40 for each error kept out."
    )
    assert [row[0] for row in numbers(cost)[1:]] == [*(f"cycle {n}" for n in range(1, 7)), "now"]
    loops = loop_chart(full)
    assert len(with_class(svg_of(loops), "fill")) == 4 * len(VERSIONS)
    assert says(loops).startswith("41 h on average over 6 loops")


def test_six_figures_have_their_course(full: Gathered) -> None:
    rows = {row.name: row for row in six_rows(full)}
    assert rows["Correction rate"].now == "18.5 % (15.5 % to 21.5 %, n = 250)"
    assert rows["Loop closes in"].now == "41 h (n = 6)"
    assert "from 35 % to 18.5 %" in rows["Correction rate"].course
    assert rows["Drift"].now == "found: language"
    assert rows["Drift"].wrong


def test_everything_is_safe_named_and_has_its_numbers(full: Gathered) -> None:
    drawn = figures_of(full)
    charts = [chart for section in drawn.sections for group in section.groups for chart in group]
    assert len(charts) >= 15
    for chart in charts:
        check_safe_and_named(chart)
        assert numbers(chart)


def test_nothing_measured_yet_is_told_by_every_chart(empty: Gathered) -> None:
    drawn = figures_of(empty)
    assert drawn.six == []
    for section in drawn.sections:
        for chart in (each for group in section.groups for each in group):
            root: ET.Element = read(chart)
            assert "chart-empty" in (root.get("class") or "")
            assert len(says(chart)) > 30
            assert "<svg" not in chart


def test_the_page_shows_all_of_it_under_our_policy(measured: WebProject) -> None:
    response = measured.client().get("/projects/1")
    assert response.status_code == 200
    page = response.text
    for forbidden in ("<script>", "<style", "style=", "onload="):
        assert forbidden not in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    levels = [int(each) for each in re.findall(r"<h(\d)", page)]
    assert levels[0] == 1
    assert '<link rel="stylesheet" href="/static/charts.css">' in page
    style = measured.client().get("/static/charts.css")
    assert style.mimetype == "text/css"
    style.close()


def test_it_takes_few_and_short_questions(measured: WebProject) -> None:
    asked: list[str] = []
    engine = measured.runtime.reads().get_bind()
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    gathered_of(measured)
    assert 0 < len(asked) <= 30
    for statement in asked:
        for large in ("FROM tasks", "FROM decisions", "FROM annotations", "FROM deliveries"):
            assert large not in " ".join(statement.split())
