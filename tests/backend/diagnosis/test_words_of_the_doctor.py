"""What the doctor says of what it saw: every verdict that a broken installation can bring."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.diagnosis import (
    addresses,
    configuration,
    database,
    deliveries,
    folder,
    installed,
    ledgers,
    model_files,
    rehearsals,
    rounds,
    server,
    tokens,
    wiring,
)
from backend.diagnosis.database import SeenDatabase
from backend.diagnosis.deliveries import SeenDelivery
from backend.diagnosis.findings import Finding, Verdict
from backend.diagnosis.folder import SeenFolder
from backend.diagnosis.installed import SeenLibrary
from backend.diagnosis.rounds import SeenRound
from backend.settings import Settings
from backend.store.job_runs import JobRun
from backend.store.ledger_check import LedgerCheck
from backend.store.models import ModelVersion
from backend.store.projects import ConnectedProject
from backend.store.schema import SchemaState
from connectors.label_studio.inspection import (
    Bearer,
    Greeting,
    Guards,
    StandingBackend,
    StandingWebhook,
    StandingWiring,
    TokenKind,
    Trouble,
    kind_of,
)
from connectors.label_studio.provisioning import BACKEND_TITLE, WEBHOOK_ACTIONS
from connectors.label_studio.rehearsal import Step

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
URL = "http://labelgate.example:9090"
GREETED = Greeting(url="http://studio:8080", status=200, release="1.23.2", ahead_s=0.2)
RUN = JobRun(
    id=1,
    job="sync",
    project_id=3,
    started_at=NOW - timedelta(seconds=20),
    ended_at=NOW,
    outcome="done",
    report={},
    error=None,
)
PROJECT = ConnectedProject(
    id=3,
    title="letters",
    label_config="<View/>",
    policy_text="",
    policy_hash="0",
    robot_id=2,
    views={},
    ml_backend_id=1,
    webhook_id=1,
    previous_settings={},
    last_task_id=0,
    synced_until=None,
)
BACKEND = StandingBackend(url=URL, title=BACKEND_TITLE, state="Connected", error="")
WEBHOOK = StandingWebhook(
    url=f"{URL}/webhook", is_active=True, secret="s", actions=frozenset(WEBHOOK_ACTIONS)
)
WANTED = wiring.WantedWiring(url=URL, secret="s")
SOUND = StandingWiring(backends=(BACKEND,), webhooks=(WEBHOOK,))


def _said(finding: Finding) -> tuple[str, str, str]:
    return finding.verdict.value, finding.saw, finding.fix or ""


def test_a_misspelt_variable_is_told_with_the_one_that_was_meant() -> None:
    found = configuration.misspelt(["LABELGATE_LABEL_STUDIO_TOKN", "PATH", "LABELGATE_PORT"])

    assert _said(found) == (
        "warning",
        "no setting is called LABELGATE_LABEL_STUDIO_TOKN: set without effect",
        "rename LABELGATE_LABEL_STUDIO_TOKN to LABELGATE_LABEL_STUDIO_TOKEN",
    )


def test_listening_beyond_this_machine_without_a_password_fails() -> None:
    found = configuration.binding(Settings(host="0.0.0.0"))  # noqa: S104  # what is refused

    assert found.verdict is Verdict.FAILED
    assert "export LABELGATE_USERNAME=" in (found.fix or "")


@pytest.mark.parametrize(
    ("seen", "verdict", "word"),
    [
        (SeenFolder(path=Path("d"), exists=False), "warning", "not there yet"),
        (SeenFolder(path=Path("d"), exists=True, unwritable="Read-only"), "failed", "Read-only"),
    ],
)
def test_a_folder_that_cannot_be_used_is_told(seen: SeenFolder, verdict: str, word: str) -> None:
    (found,) = folder.judge(seen)

    assert found.verdict == verdict
    assert word in found.saw
    assert "LABELGATE_DATA_DIR" in (found.fix or "")


@pytest.mark.parametrize(
    ("free", "verdict"), [(10**8, "failed"), (10**9, "warning"), (10**11, "ok")]
)
def test_a_full_disk_is_told_before_it_is_full(free: int, verdict: str) -> None:
    *_, room = folder.judge(SeenFolder(path=Path("d"), exists=True, free_bytes=free))

    assert room.verdict == verdict


def test_secret_files_that_others_can_read_are_found(tmp_path: Path) -> None:
    (tmp_path / "robot.token").write_text("t", encoding="utf-8")
    (tmp_path / "robot.token").chmod(0o644)
    (tmp_path / "webhook.secret").touch(mode=0o600)

    _, private, _ = folder.judge(folder.look(tmp_path))

    assert _said(private) == (
        "failed",
        "other users can read robot.token",
        f"chmod 600 {tmp_path / 'robot.token'}",
    )


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.touch()

    (found,) = folder.judge(folder.look(file))

    assert found.verdict is Verdict.FAILED
    assert f"{file} is a file" in found.saw


@pytest.mark.parametrize(
    ("current", "verdict", "word"),
    [
        ("0014", "ok", "the newest"),
        ("0003", "failed", "this program works with 0014"),
        (None, "failed", "schema none"),
        ("0999", "failed", "newer than this program"),
    ],
)
def test_the_schema_must_be_the_one_of_this_program(
    current: str | None, verdict: str, word: str
) -> None:
    state = SchemaState(current=current, head="0014", is_known=current != "0999")

    found = database.judge(SeenDatabase(name="sqlite:///x", schema=state))[1]

    assert found.verdict == verdict
    assert word in found.saw


def test_a_file_system_is_read_off_the_table_of_mounts() -> None:
    mounts = "/dev/a / ext4 rw 0 0\nserver:/x /mnt/team\\040data nfs4 rw 0 0\n"

    assert database.file_system_of(Path("/mnt/team data/labelgate.db"), mounts) == "nfs4"
    assert database.file_system_of(Path("/var/labelgate.db"), mounts) == "ext4"
    assert database.file_system_of(Path("/var/labelgate.db"), "") is None


def test_sqlite_on_a_network_file_system_fails_and_a_broken_file_too() -> None:
    seen = SeenDatabase(name="sqlite:///x", file_system="nfs4", integrity="row 3 missing")

    _, place, whole = database.judge(seen)

    assert place.verdict is whole.verdict is Verdict.FAILED
    assert "PostgreSQL" in (place.fix or "")
    assert "row 3 missing" in whole.saw


def test_a_large_file_is_not_read_and_the_command_is_named() -> None:
    *_, whole = database.judge(SeenDatabase(name="sqlite:///x.db", size_bytes=10**10))

    assert whole.verdict is Verdict.NOT_CHECKED
    assert whole.fix == "sqlite3 x.db 'PRAGMA quick_check'"


def test_a_broken_ledger_names_its_entry() -> None:
    check = LedgerCheck(project_id=3, entries=6, head="a" * 64, broken_seq=7, why="it was changed")

    assert ledgers.judge(check).saw == "entry 7 is broken: it was changed"


@pytest.mark.parametrize(
    ("seen", "check", "verdict", "word"),
    [
        (
            Greeting(url="http://x", trouble=Trouble.REFUSED),
            "reachable",
            "failed",
            "nothing listens",
        ),
        (Greeting(url="https://x", trouble=Trouble.TLS), "reachable", "failed", "TLS failed"),
        (Greeting(url="http://x", trouble=Trouble.NAME), "reachable", "failed", "name is unknown"),
        (Greeting(url="http://x", trouble=Trouble.SLOW), "reachable", "failed", "in time"),
        (Greeting(url="http://x", status=200), "reachable", "failed", "not as Label Studio"),
        (replace(GREETED, release="1.20.0"), "version", "failed", "needs 1.23"),
        (replace(GREETED, release="develop"), "version", "warning", "'develop'"),
        (replace(GREETED, ahead_s=-30.0), "clock", "warning", "30 s behind ours"),
        (replace(GREETED, ahead_s=4000.0), "clock", "failed", "4,000 s ahead of ours"),
        (replace(GREETED, ahead_s=None), "clock", "not checked", "no date"),
        (replace(GREETED, url="http://ls.example.com"), "TLS", "warning", "in the clear"),
        (replace(GREETED, url="https://ls.example.com"), "TLS", "ok", "trusted"),
    ],
)
def test_what_label_studio_answers_is_judged(
    seen: Greeting, check: str, verdict: str, word: str
) -> None:
    found = {each.check: each for each in server.judge(seen)}

    assert found[check].verdict == verdict
    assert word in found[check].saw


def test_a_redirect_names_the_address_to_set() -> None:
    moved = Greeting(url="http://x", status=301, moved_to="https://ls.example.com/api/version")

    (found,) = server.judge(moved)

    assert found.fix == "export LABELGATE_LABEL_STUDIO_URL=https://ls.example.com"


def test_the_kind_of_a_token_is_read_off_the_token() -> None:
    assert kind_of("0" * 40) is TokenKind.LEGACY
    assert kind_of("eyJhbGciOiJIUzI1NiJ9.eyJ0IjoxfQ.x") is TokenKind.PERSONAL
    assert kind_of("not.a.token") is TokenKind.LEGACY


def test_missing_permissions_are_named() -> None:
    seen = Bearer(
        kind=TokenKind.PERSONAL, user_id=5, email="ann@x", permissions=frozenset({"tasks.view"})
    )

    found = tokens.rights(tokens.ROBOT, seen, None)

    assert found.verdict is Verdict.FAILED
    assert found.saw == "ann@x lacks annotations.create, actions.perform"
    assert tokens.rights(tokens.ADMIN, seen, "403").verdict is Verdict.FAILED
    nothing = replace(seen, permissions=frozenset())
    assert tokens.rights(tokens.ADMIN, nothing, None).fix == (
        "labelgate doctor --deep, which tries them"
    )


def test_a_token_that_is_not_set_is_told_with_where_to_find_one() -> None:
    assert "labelgate connect" in (tokens.absent(tokens.ROBOT).fix or "")
    assert "export LABELGATE_LABEL_STUDIO_TOKEN=" in (tokens.absent(tokens.ADMIN).fix or "")


def test_legacy_tokens_are_told_whatever_the_rule() -> None:
    legacy = [Bearer(kind=TokenKind.LEGACY, user_id=1)]

    assert "leave them on" in tokens.legacy_rule(legacy, allowed=True).saw
    assert "turned off" in tokens.legacy_rule([], allowed=False).saw
    assert tokens.legacy_rule(legacy, allowed=None).verdict is Verdict.NOT_CHECKED


@pytest.mark.parametrize(
    ("own", "theirs", "verdict"),
    [
        ("http://127.0.0.1:9090", "https://ls.example.com", "failed"),
        ("http://0.0.0.0:9090", "http://127.0.0.1:8080", "failed"),
        ("http://127.0.0.1:9090", "http://localhost:8080", "ok"),
        ("http://labelgate:9090", "http://label-studio:8080", "ok"),
    ],
)
def test_an_address_that_means_another_machine_is_told(own: str, theirs: str, verdict: str) -> None:
    assert addresses.reach(own, theirs).verdict == verdict


def test_each_guard_has_its_variable() -> None:
    block = "URL resolves to a reserved network address (block: 10.0.0.0/8)"

    hooks, backends = addresses.guards(URL, Guards(webhooks=block, backends=None))

    assert "it lies in 10.0.0.0/8" in hooks.saw
    assert "SSRF_PROTECTION_ENABLED=false" in (hooks.fix or "")
    assert backends.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("seen", "verdict", "word"),
    [
        (SOUND, "ok", "reaches it"),
        (replace(SOUND, backends=()), "failed", "none is registered"),
        (
            replace(SOUND, backends=(replace(BACKEND, url="http://old:9090"),)),
            "failed",
            "it stands at http://old:9090",
        ),
        (
            replace(SOUND, backends=(replace(BACKEND, state="Disconnected"),)),
            "failed",
            "Label Studio says Disconnected",
        ),
    ],
)
def test_the_ml_backend_is_judged(seen: StandingWiring, verdict: str, word: str) -> None:
    backend, _ = wiring.judge(PROJECT, seen, WANTED)

    assert backend.verdict == verdict
    assert word in backend.saw


@pytest.mark.parametrize(
    ("hook", "verdict", "word"),
    [
        (None, "failed", "none is registered"),
        (replace(WEBHOOK, url="http://old/webhook"), "failed", "it goes to http://old/webhook"),
        (replace(WEBHOOK, secret="other"), "failed", "not the present one"),
        (replace(WEBHOOK, is_active=False), "failed", "switched it off"),
        (
            replace(WEBHOOK, actions=frozenset(WEBHOOK_ACTIONS) - {"TASKS_CREATED"}),
            "warning",
            "does not tell of TASKS_CREATED",
        ),
    ],
)
def test_the_webhook_is_judged(hook: StandingWebhook | None, verdict: str, word: str) -> None:
    seen = replace(SOUND, webhooks=() if hook is None else (hook,))

    _, webhook = wiring.judge(PROJECT, seen, WANTED)

    assert webhook.verdict == verdict
    assert word in webhook.saw
    assert webhook.fix == "labelgate connect --project 3 --policy FILE"


def test_a_project_that_is_gone_is_to_be_disconnected() -> None:
    (found,) = wiring.judge(PROJECT, StandingWiring(is_gone=True), WANTED)

    assert found.fix == "labelgate disconnect --project 3"


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (SeenDelivery(url=URL, status=201), "works with another one"),
        (SeenDelivery(url=URL, status=403), "refuses our secret"),
        (SeenDelivery(url=URL, status=404, said="nothing"), "answers 404: nothing"),
        (SeenDelivery(url=URL, is_refused=True), "cannot be reached from here"),
        (SeenDelivery(url=URL, said="timed out"), "does not answer: timed out"),
    ],
)
def test_a_webhook_that_does_not_come_through_is_told(seen: SeenDelivery, word: str) -> None:
    found = deliveries.judge(seen)

    assert found.verdict is Verdict.FAILED
    assert word in found.saw


def test_what_failed_in_a_rehearsal_is_told() -> None:
    refused = Step(name="make a view", problem="403 no")
    guarded = Step(name="make a webhook", problem="a reserved network address")

    assert rehearsals.judge(refused).saw == "403 no"
    assert "SSRF_PROTECTION_ENABLED=false" in (rehearsals.judge(guarded).fix or "")
    assert "within 20 s" in rehearsals.delivered(f"{URL}/webhook", None, 20.0).saw


@pytest.mark.parametrize(
    ("run", "verdict", "word"),
    [
        (None, "failed", "no round has ever begun"),
        (RUN, "ok", "20 s ago"),
        (replace(RUN, started_at=NOW - timedelta(hours=5)), "failed", "5 hours ago"),
        (replace(RUN, outcome="failed", error="no token"), "failed", "no token"),
    ],
)
def test_a_scheduler_that_stands_still_is_told(run: JobRun | None, verdict: str, word: str) -> None:
    found = rounds.judge(SeenRound(project_id=3, run=run, now=NOW, due_after=timedelta(minutes=12)))

    assert found.verdict == verdict
    assert word in found.saw


def test_a_model_file_that_is_damaged_names_the_ways_out() -> None:
    model = ModelVersion(
        version="text-v2",
        number=2,
        path="3/x.skops",
        sha256="0",
        labels=("a",),
        state="champion",
        verdict={},
        lineage={},
        trained_at=NOW,
        promoted_at=NOW,
    )

    found = model_files.judge(3, model, "model file 3/x.skops: it is damaged")

    assert found.verdict is Verdict.FAILED
    assert "labelgate models rollback --project 3" in (found.fix or "")
    assert model_files.judge(3, None, None).verdict is Verdict.OK
    assert "no file here" in model_files.judge(3, replace(model, path=""), None).saw


def test_libraries_out_of_their_range_are_named_with_the_command() -> None:
    seen = [
        SeenLibrary(wanted="<2.3,>=2.2", name="numpy", found="2.4.0"),
        SeenLibrary(wanted=">=3.1", name="flask", found=None),
        SeenLibrary(wanted="", name="scipy", found="1.17"),
    ]

    found = installed.libraries(seen, "0.1.0")

    assert found.saw == "numpy 2.4.0 is not <2.3,>=2.2; flask is missing"
    assert "'numpy<2.3,>=2.2' 'flask>=3.1'" in (found.fix or "")
    assert installed.libraries(installed.look(), "0.1.0").verdict is Verdict.OK


def test_a_python_that_is_too_old_is_told() -> None:
    assert installed.python((3, 10, 1)).verdict is Verdict.FAILED
    assert installed.python().verdict is Verdict.OK
