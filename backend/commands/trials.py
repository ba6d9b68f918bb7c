"""``labelgate policy explain``, ``test`` and ``schema``: trying rules out, without any server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson
from pydantic import ValidationError

from backend.commands.errors import clear_errors
from backend.commands.output import tell, tell_json
from policies.explanations import Explanation, Trial, Tried, run_tests
from policies.explanations import explain as explained
from policies.loading import load_policy
from policies.schema import Policy
from policies.trials import TrialPrediction

_FILE = click.Path(path_type=Path)


class _JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object, or @FILE that holds one."""

    name = "JSON"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        try:
            text = Path(value[1:]).read_bytes() if value.startswith("@") else value
            found = orjson.loads(text)
        except OSError as error:
            self.fail(f"{value[1:]} cannot be read: {error.strerror}", param, ctx)
        except orjson.JSONDecodeError as error:
            self.fail(f"{value!r} is not JSON: {error}", param, ctx)
        if not isinstance(found, dict):
            self.fail(f"must be a JSON object, not {type(found).__name__}", param, ctx)
        return found


@click.command()
@click.argument("file", type=_FILE)
@click.option("--task", type=_JsonObject(), default="{}", help="Its data, or {id, data}; @FILE.")
@click.option(
    "--prediction",
    type=_JsonObject(),
    default="{}",
    help="label and score, or probabilities; also signals: margin, novelty, ...; @FILE.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Taken to be certified; default: the policy's floor.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@clear_errors
def explain(
    *,
    file: Path,
    task: dict[str, Any],
    prediction: dict[str, Any],
    threshold: float | None,
    as_json: bool,
) -> None:
    """Say what FILE decides of one task: which rule fires, which not, and why.

    A task without an id is taken to be drawn for nothing: no slice, no audit, no agreement.

    Example: labelgate policy explain policy.yaml --task '{"text": "Hi"}'
    """
    task_id, data = _task(task)
    trial = Trial(
        prediction=_prediction(prediction), data=data, task_id=task_id, threshold=threshold
    )
    found = explained(load_policy(file), trial)
    if as_json:
        tell_json(_explanation_json(found, task_id), indent=True)
        return
    decision = found.decision
    where = f" by {decision.tier}" if decision.tier else ""
    purpose = f" ({decision.purpose.value})" if decision.blind else ""
    tell(f"{decision.outcome.value}{where}{purpose}: {decision.reason}")
    if found.threshold is not None:
        source = "the policy's floor" if threshold is None else "--threshold"
        tell(f"Taken to be certified: {found.threshold:.3f}, {source}")
    for step in found.steps:
        tell(f"  {'fires' if step.fired else '-':5}  {step.rule:16}  {step.why}".rstrip())


def _task(task: dict[str, Any]) -> tuple[int | None, dict[str, Any]]:
    """A task as Label Studio exports it, or its data alone."""
    data = task.get("data")
    if not isinstance(data, dict):
        return None, task
    task_id = task.get("id")
    if task_id is not None and (type(task_id) is not int or not 0 < task_id < 2**63):
        raise click.BadParameter("id must be a whole number above 0", param_hint="--task")
    return task_id, data


def _prediction(values: dict[str, Any]) -> TrialPrediction:
    try:
        return TrialPrediction.model_validate(values)
    except ValidationError as error:
        known = ", ".join(TrialPrediction.model_fields)
        wrong = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise click.BadParameter(f"{wrong} (known: {known})", param_hint="--prediction") from error


def _explanation_json(found: Explanation, task_id: int | None) -> dict[str, Any]:
    return {
        "decision": found.decision.as_json() | {"task_id": task_id},
        "threshold": found.threshold,
        "steps": [
            {"rule": step.rule, "fired": step.fired, "why": step.why} for step in found.steps
        ],
    }


@click.command()
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_context
@clear_errors
def test(context: click.Context, *, file: Path, as_json: bool) -> None:
    """Run the tests that FILE holds; exit with 1 where one fails.

    Example: labelgate policy test policy.yaml
    """
    tried = run_tests(load_policy(file))
    failed = sum(1 for one in tried if one.wrong)
    if as_json:
        report = {
            "file": str(file),
            "passed": len(tried) - failed,
            "failed": failed,
            "tests": [_tried_json(one) for one in tried],
        }
        tell_json(report, indent=True)
    else:
        for one in tried:
            tell(_tried_line(one))
        tell(f"{file}  {len(tried) - failed} of {len(tried)} tests passed")
    context.exit(1 if failed else 0)


def _tried_line(one: Tried) -> str:
    if not one.wrong:
        return f"ok    {one.test.name}"
    decision = one.decision
    return f"FAIL  {one.test.name}: {'; '.join(one.wrong)} ({decision.rule}: {decision.reason})"


def _tried_json(one: Tried) -> dict[str, Any]:
    return {
        "name": one.test.name,
        "passed": not one.wrong,
        "wrong": list(one.wrong),
        "decision": one.decision.as_json() | {"task_id": None},
    }


@click.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors to complete and check them.

    Example: labelgate policy schema > policy.schema.json
    """
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Policy.model_json_schema(),
    }
    tell_json(found, indent=True)
