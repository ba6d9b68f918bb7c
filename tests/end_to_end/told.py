"""What people are told of a guarded loop: by webhook, in commands, on the page, over /metrics."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from typing import Any

import httpx
import orjson

from tests.end_to_end.stage import Stage
from tests.fakes.alert_receivers import HttpReceiver
from tests.waiting import until

SECRET = "what only the receiver knows"
# The five of the six that are estimates; the drift figure is whether there is any.
FIGURES = {"gain_per_label", "correction_rate", "audit_pass_rate", "loop_seconds", "agreement"}


def it_is_told(stage: Stage, receiver: HttpReceiver, state: str) -> None:
    """The alert of the breaker has arrived, signed with the secret."""

    def told() -> dict[str, Any] | None:
        for request in list(receiver.got):
            match = re.fullmatch(r"t=(\d+),v1=(\w+)", request.headers["X-Labelgate-Signature"])
            assert match is not None
            signed = f"{match[1]}.".encode() + request.body
            assert hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest() == match[2]
            body = orjson.loads(request.body)
            for each in body["detail"].get("alerts", [body]):
                if (each["alert"], each["state"]) == ("breaker", state):
                    alert: dict[str, Any] = each
                    return alert
        return None

    alert = until(told, f"the receiver hears that the breaker's alert is {state}")
    assert alert["project_id"] == stage.project_id
    assert alert["about"] == "v1"


def the_commands_tell_it(stage: Stage) -> None:
    number = str(stage.project_id)
    (breaker,) = status(stage)
    assert (breaker["version"], breaker["state"]) == ("v1", "suspended")
    assert breaker["statistic"] >= breaker["limit"]

    standing = until(stage.robots_answers, "the robot's answers stand")
    every = ("--since", "2020-01-01T00:00Z", "--why", "asked", "--dry-run", "--json")
    would = orjson.loads(stage.command("recall", "--project", number, *every))
    assert (would["dry_run"], would["tasks"]) == (True, len(standing))
    assert until(stage.robots_answers, "a dry run changes nothing") == standing

    page = httpx.get(f"{stage.settings.own_url}/projects/{number}", timeout=30).text
    assert "suspended: nothing is accepted" in page
    assert "accepts taken back" in page
    gauge = rf'labelgate_breaker_suspended{{[^}}]*project="{number}"[^}}]*}} 1'
    assert re.search(gauge, stage.metrics())

    stage.command("breaker", "reset", "--project", number, "--why", "the file was exchanged")
    (breaker,) = status(stage)
    assert (breaker["state"], breaker["reset_why"]) == ("reset", "the file was exchanged")
    assert datetime.fromisoformat(breaker["reset_at"]) >= datetime.fromisoformat(breaker["since"])


def status(stage: Stage) -> list[dict[str, Any]]:
    said = stage.command("breaker", "status", "--project", str(stage.project_id), "--json")
    (project,) = orjson.loads(said)["projects"]
    found: list[dict[str, Any]] = project["breakers"]
    return found


def six_figures_stand_everywhere(stage: Stage) -> None:
    number = str(stage.project_id)
    gains = orjson.loads(stage.command("jobs", "run", "strategies", "--project", number))
    assert gains["gains"]

    until(lambda: measured(stage) >= FIGURES, "the figures are over /metrics")
    drifted = rf'^labelgate_drifted{{project="{number}"}} 0'
    assert re.search(drifted, stage.metrics(), re.MULTILINE)

    now = orjson.loads(stage.command("report", "--project", number, "--json"))["now"]
    assert now["loop_seconds"]["total"]["n"] == 1
    assert now["correction_rate"]["n"] > 0
    assert now["audit_pass_rate"]["n"] > 30
    assert now["agreement"]["n"] > 0
    assert now["drift"]["drifted"] is False
    assert sum(each["per_label"]["n"] for each in now["gain_per_label"]["strategies"].values()) > 0

    page = httpx.get(f"{stage.settings.own_url}/projects/{number}", timeout=30).text
    assert "Traceback" not in page
    for heading in (
        "The loop in six figures",
        "Audit pass rate, by accepted label",
        "Recalls and moved thresholds",
    ):
        assert f">{heading}</" in page


def measured(stage: Stage) -> set[str]:
    """The figures that rest on anything, as Prometheus reads them."""
    told = r'^labelgate_figure\{bound="n",figure="(\w+)".*\} [1-9]'
    return set(re.findall(told, stage.metrics(), re.MULTILINE))
