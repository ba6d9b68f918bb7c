"""A store of any number of tasks, written by the database itself: ten million in some minutes.

What ``benchmarks.large_store`` makes has a story and a valid ledger, and takes a minute for every
50,000 tasks. Here one project's rows are made in SQL, a task each: its decision, what is delivered,
and the answers to the slices, the audits and a quarter of the queue. The ledger's hashes are made
up; whatever reads rows, counts or measures them finds what it finds in a real store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from backend.store.certificates import store_certification
from backend.store.models import store_version
from backend.store.projects import store_sync_state
from benchmarks.large_store.stages import BEGINNING, STORY, Stage, policy_text
from benchmarks.large_store.texts import LABELS, SHARES, ticket_data
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import parse_labeling
from tests.fakes.policy_documents import make_certification
from tests.fakes.predictors import first_champion, predictor_of

PROJECT = 1
VERSION = "v1"
_PORTION = 500_000
_MOMENTS = 2_000  # of the fourteen weeks, in which the tasks come evenly
_SAYINGS = 5_000
_LEARNED = 400  # texts that the model learns from


# ``h`` and ``g`` are two numbers below 10,000 that look random, ``i`` the task. Of 10,000 tasks
# 600 are of the control slice, 500 of the holdout, 500 accepted and audited, 1,000 answered twice,
# 4,000 accepted, the rest waits in a queue, a quarter of it answered.
_CONTROL, _HOLDOUT, _AUDIT, _AGREEMENT, _ACCEPT = 600, 1_100, 1_600, 2_600, 6_600
_NUMBERS = """
WITH RECURSIVE counted(i) AS (
  SELECT CAST(:first AS BIGINT) UNION ALL SELECT i + 1 FROM counted WHERE i < :last
), drawn AS (
  SELECT i, (i * 2654435761 % 4294967296) / 65536 % 10000 AS h,
         (i * 2246822519 % 4294967296) / 65536 % 10000 AS g FROM counted
), made AS (
  SELECT i, h, g, moments.at, moments.later, truth.label AS truth, truth.result, sayings.head,
         sayings.tail, CASE WHEN g < {missed} THEN wrong.label ELSE truth.label END AS predicted,
         wrong.label AS mistake, wrong.result AS mistaken
  FROM drawn
  JOIN sayings ON sayings.k = (i * 7919) % :sayings
  JOIN moments ON moments.k = (i - 1) * :moments / :tasks
  JOIN names AS truth ON truth.k = sayings.topic
  JOIN names AS wrong ON wrong.k = (sayings.topic + 1) % :labels
)
"""
_TASKS = """
INSERT INTO tasks (project_id, task_id, data, created_at, human_labels, decision_seq, wants_reader,
                   prelabelled)
{numbers}
SELECT 1, i, head || i || tail || i || '"}}', at, {answers}, i, {no}, {no} FROM made
"""
_DECISIONS = """
INSERT INTO decisions (project_id, seq, task_id, outcome, purpose, tier, rule, reason, label, score,
                       threshold, draw, inclusion_probability, predictor, model_version,
                       policy_hash, certificate_id, decided_at, hash)
{numbers}
SELECT 1, i, i,
  CASE WHEN h >= {holdout} AND h < {audit} OR h >= {agreement} AND h < {accept}
       THEN 'accept' ELSE 'review' END,
  CASE WHEN h < {control} THEN 'control' WHEN h < {holdout} THEN 'holdout'
       WHEN h < {audit} THEN 'audit' WHEN h < {agreement} THEN 'agreement' ELSE 'routed' END,
  CASE WHEN h >= {holdout} AND h < {audit} THEN 'experts'
       WHEN h >= {agreement} AND h < {accept} THEN NULL ELSE 'desk' END,
  CASE WHEN h < {control} THEN 'control' WHEN h < {holdout} THEN 'holdout'
       WHEN h < {agreement} AND h >= {audit} THEN 'agreement'
       WHEN h < {accept} THEN 'certified' ELSE 'below_threshold' END,
  'made up', predicted,
  CASE WHEN h >= {holdout} AND h < {audit} OR h >= {agreement} AND h < {accept}
       THEN 0.9 + g / 100000.0 ELSE 0.3 + g / 15000.0 END,
  0.9, h / 10000.0,
  CASE WHEN h < {control} THEN 0.06 WHEN h < {holdout} THEN 0.05 WHEN h < {audit} THEN 0.11
       WHEN h < {agreement} THEN 0.12 ELSE 1.0 END,
  'model', '{version}', :policy, :certificate, later, '{hash}' FROM made
"""
_ANSWERS = """
INSERT INTO annotations (project_id, annotation_id, task_id, user_id, by_robot, label, result,
                         was_cancelled, ground_truth, lead_time_s, created_at, updated_at,
                         first_seen_at, mirrored)
{numbers}
SELECT 1, 2 * i + {second}, i,
  CASE WHEN h >= {holdout} AND h < {audit} THEN :experts + g % 3
       ELSE :desk + (g + {second}) % 6 END,
  {no}, CASE WHEN {errs} THEN mistake ELSE truth END,
  CASE WHEN {errs} THEN mistaken ELSE result END,
  {no}, {no}, 4 + g % 50, later, later, later, {no} FROM made WHERE {answers} > {second}
"""
_DELIVERIES = """
INSERT INTO deliveries (project_id, task_id, decision_seq, revision, marker, label, score,
                        model_version, accepts, overlap, state, attempts, next_attempt_at,
                        delivered_at, delivered)
{numbers}, wished AS (
  SELECT *, CASE WHEN h < {holdout} THEN 'Control' WHEN h < {audit} THEN 'Audit'
                 WHEN h < {agreement} THEN 'desk' WHEN h < {accept} THEN NULL ELSE 'desk' END
         AS marker, h >= {agreement} AND h < {accept} AS accepts FROM made
)
SELECT 1, i, i, 1, marker, CASE WHEN h >= {agreement} THEN predicted END, NULL,
  CASE WHEN h >= {agreement} THEN '{version}' END, accepts,
  CASE WHEN h >= {audit} AND h < {agreement} THEN 2 ELSE 1 END, 'delivered', 0, later, later,
  '{{}}' FROM wished
"""
# What is delivered looks as wished: after the rows are written, and after all is placed anew.
_SETTLED = """
UPDATE deliveries SET state = 'delivered', delivered = '{{"accepts":'
    || CASE WHEN accepts THEN 'true' ELSE 'false' END || ',"marker":'
    || CASE WHEN marker IS NULL THEN 'null' ELSE '"' || marker || '"' END || ',"label":'
    || CASE WHEN label IS NULL THEN 'null' ELSE '"' || label || '"' END || ',"version":'
    || CASE WHEN label IS NULL OR accepts THEN 'null' ELSE '"' || model_version || '"' END
    || ',"overlap":' || overlap || '}}'
"""
# How often of 10,000 the model errs, less where it accepts; and whether a person does, of 1,000
# experts' answers 3: no breaker trips.
_MISSED = (
    "(CASE WHEN h >= {agreement} AND h < {accept} OR h >= {holdout} AND h < {audit}"
    " THEN 60 ELSE 600 END)"
)
_ERRS = (
    "(g + h) % 1000 < CASE WHEN h >= {holdout} AND h < {audit} THEN 3 ELSE 20 + 60 * {second} END"
)
_ANSWERED = (
    "(CASE WHEN h < {audit} THEN 1 WHEN h < {agreement} THEN 2"
    " WHEN h >= {accept} AND g % 4 = 0 THEN 1 ELSE 0 END)"
)


def fill(stage: Stage, tasks: int) -> None:
    """Write one project of so many tasks into a stage's empty store; the clock stands behind."""
    title = f"{tasks} tasks"
    project = stage.connect(PROJECT, title, policy_text(title, tasks, strict=False))
    stage.clock.at(BEGINNING + STORY)
    certificate = _with_model(stage, project.policy_hash)
    engine = stage.runtime.sessions.kw["bind"]
    with engine.connect() as connection:
        with connection.begin():
            _stand_ins(connection, stage)
        asked = {
            "tasks": tasks,
            "moments": _MOMENTS,
            "sayings": _SAYINGS,
            "labels": len(LABELS),
            "policy": project.policy_hash,
            "certificate": certificate,
            "desk": stage.members["desk"][0],
            "experts": stage.members["experts"][0],
        }
        for statement in _statements():
            for first in range(1, tasks + 1, _PORTION):
                part = {"first": first, "last": min(tasks, first + _PORTION - 1)}
                with connection.begin():
                    connection.execute(text(statement), asked | part)
        if engine.dialect.name == "postgresql":
            with connection.execution_options(isolation_level="AUTOCOMMIT") as alone:
                alone.execute(text("VACUUM ANALYZE"))
    settle(stage)
    with stage.runtime.sessions.begin() as session:
        store_sync_state(session, PROJECT, tasks, stage.clock())


def settle(stage: Stage) -> None:
    """All that is wished for is delivered."""
    with stage.runtime.sessions.begin() as session:
        # No parameters: what follows a colon is none.
        session.connection().exec_driver_sql(_SETTLED.format())


def _statements() -> Iterator[str]:
    bounds = {
        "control": _CONTROL,
        "holdout": _HOLDOUT,
        "audit": _AUDIT,
        "agreement": _AGREEMENT,
        "accept": _ACCEPT,
    }
    told = {
        **bounds,
        "numbers": _NUMBERS.format(missed=_MISSED.format(**bounds)),
        "answers": _ANSWERED.format(**bounds),
        "version": VERSION,
        "hash": "0" * 64,
        "no": "(1 = 0)",
    }
    for statement, second in (
        (_TASKS, 0),
        (_DECISIONS, 0),
        (_ANSWERS, 0),
        (_ANSWERS, 1),
        (_DELIVERIES, 0),
    ):
        yield statement.format(**told, second=second, errs=_ERRS.format(**bounds, second=second))


def _stand_ins(connection: Connection, stage: Stage) -> None:
    """Small tables that the rows are made of: what is said, by topic, and when."""
    labeling = parse_labeling(stage.project(PROJECT).label_config)
    at = "timestamptz" if connection.dialect.name == "postgresql" else "text"
    for table in (
        "sayings (k bigint primary key, topic bigint, head text, tail text)",
        "names (k bigint primary key, label text, result text)",
        f"moments (k bigint primary key, at {at}, later {at})",
    ):
        connection.execute(text(f"CREATE TEMPORARY TABLE {table}"))
    connection.execute(
        text("INSERT INTO sayings VALUES (:k, :topic, :head, :tail)"), list(_sayings(stage))
    )
    names = [
        {"k": k, "label": label, "result": _json(result_of(labeling, label))}
        for k, label in enumerate(LABELS)
    ]
    connection.execute(text("INSERT INTO names VALUES (:k, :label, :result)"), names)
    step = STORY / (_MOMENTS + 1)
    moments = [
        {"k": k, "at": _time(at, k * step), "later": _time(at, (k + 1) * step)}
        for k in range(_MOMENTS)
    ]
    connection.execute(text("INSERT INTO moments VALUES (:k, :at, :later)"), moments)


def _time(kind: str, after: timedelta) -> Any:
    """A moment as the database holds it: SQLite has text without a zone."""
    moment = BEGINNING + after
    return moment if kind == "timestamptz" else moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _json(value: object) -> str:
    return json.dumps(value)


def _sayings(stage: Stage) -> Iterator[dict[str, Any]]:
    topics = stage.rng.choice(len(LABELS), size=_SAYINGS, p=SHARES).astype(np.int64)
    found = ticket_data(stage.rng, topics, np.zeros(_SAYINGS, np.bool_))
    for k, (topic, data) in enumerate(zip(topics.tolist(), found, strict=True)):
        said = json.dumps(data["text"])[:-1]
        tail = f'","source":{json.dumps(data["source"])},"ticket":"T-'
        yield {"k": k, "topic": topic, "head": f'{{"text":{said} ', "tail": tail}


def _with_model(stage: Stage, policy_hash: str) -> int:
    """A version that serves, a real model of texts, with a certificate of its threshold; its id."""
    runtime, now = stage.runtime, stage.clock()
    topics = np.arange(_LEARNED, dtype=np.int64) % len(LABELS)
    texts = [each["text"] for each in ticket_data(stage.rng, topics, np.zeros(_LEARNED, np.bool_))]
    made = predictor_of(
        texts, [LABELS[topic] for topic in topics.tolist()], version=VERSION, name="topic"
    )
    model = first_champion(runtime.settings.models_dir, PROJECT, made, BEGINNING)
    with runtime.sessions.begin() as session:
        store_version(session, PROJECT, model, now)
        certification = make_certification(0.9, model_version=VERSION)
        return store_certification(session, PROJECT, certification, policy_hash, now).id
