"""The foreign models of a project as its policy names them: built, loaded, told to train.

Nothing is fetched here: a source asks its server when it is asked itself.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, assert_never

from sqlalchemy.exc import OperationalError

from backend.hosting.hosts import host_of
from backend.hosting.spec import host_spec
from backend.kept_answers import KeptSource
from backend.predictors.errors import TrainingError
from backend.predictors.foreign.hosted import HostedSource
from backend.predictors.foreign.llm import LlmSource
from backend.predictors.foreign.predictor import ForeignPredictor, Second
from backend.predictors.foreign.python import PythonSource
from backend.predictors.foreign.recalibration import Calibration
from backend.predictors.foreign.source import ModelUnavailableError, Source, unanswered
from backend.predictors.foreign.upstream import UpstreamSource
from backend.predictors.protocol import Asked, Predicted
from backend.runtime import Runtime
from backend.sameness import likeness_of
from backend.secret_files import credentials_named, llm_credentials
from backend.settings import Settings
from backend.slices import labelled_slices
from backend.store.model_usage import ModelUsage, add_usage
from backend.store.models import ModelVersion
from backend.store.projects import ConnectedProject
from connectors.label_studio.labeling import Labeling, parse_labeling
from connectors.model_servers.chat import ChatEndpoint, Usage
from connectors.model_servers.server import model_server
from policies.answer_texts import json_text
from policies.conditions import MODEL_DISAGREEMENT
from policies.models import Foreign, Hosted, Llm, Python, TokenPrices, Upstream
from policies.schema import Policy

logger = logging.getLogger(__name__)

# Of a version's lineage: where its answers come from; only foreign versions have it.
FOREIGN = "foreign"
# What says how a model is asked, and nothing of what it answers.
_MANNERS = {
    "second",
    "timeout_s",
    "batch",
    "credentials",
    "process",
    "parallel",
    "price_per_million_tokens",
}
_MILLION = 1_000_000


def is_foreign(model: ModelVersion) -> bool:
    """Whether a stored version's answers come from elsewhere: it has no file of Labelgate's."""
    return FOREIGN in model.lineage


def fingerprint(model: Foreign, labeling: Labeling) -> str:
    """What a version's answers rest on beside the model itself: the policy's words, the config."""
    words = model.model_dump(mode="json", exclude=_MANNERS)
    asked = [
        [each.name, each.kind.value, list(each.labels), list(each.data_keys)]
        for each in labeling.controls
    ]
    return hashlib.sha256(json_text([words, asked]).encode(errors="replace")).hexdigest()[:16]


def source_of(runtime: Runtime, project_id: int, model: Foreign) -> Source:
    """The source of a policy's model; what is not set makes it answer with how to set it.

    One that is paid for each question is asked once about each task.
    """
    settings = runtime.settings
    match model:
        case Upstream():
            return _upstream(settings, project_id, model)
        case Python():
            return PythonSource(model=model, folder=settings.data_dir)
        case Hosted():
            return _hosted(settings, project_id, model)
        case Llm():
            return KeptSource(
                source=_llm(runtime, project_id, model),
                runtime=runtime,
                project_id=project_id,
                fingerprint=partial(fingerprint, model),
            )
        case _:
            assert_never(model)


def second_model(runtime: Runtime, project: ConnectedProject, policy: Policy) -> Second | None:
    """The model beside the first, where a route asks for it."""
    second = policy.model.second
    if second is None or MODEL_DISAGREEMENT not in policy.signals_used:
        return None
    labeling = parse_labeling(project.label_config)
    return Second(
        source=source_of(runtime, project.id, second), likeness=likeness_of(policy, labeling)
    )


def foreign_predictor(
    runtime: Runtime, project: ConnectedProject, policy: Policy, model: ModelVersion
) -> ForeignPredictor:
    """The predictor of a stored foreign version, second model included.

    Where the policy or the labelling config no longer asks for what the version was, no task has
    an answer until the next round has taken up what it asks for now.
    """
    origin: Mapping[str, Any] = model.lineage[FOREIGN]
    labeling = parse_labeling(project.label_config)
    asked = policy.model if isinstance(policy.model, Foreign) else None
    if asked is None or fingerprint(asked, labeling) != origin["fingerprint"]:
        source: Source = _withdrawn(model.version)
    else:
        source = source_of(runtime, project.id, asked)
    return ForeignPredictor(
        version=model.version,
        labels=model.labels,
        source=source,
        reported=origin["reported"],
        calibration=Calibration(**origin["calibration"]),
        second=second_model(runtime, project, policy),
    )


def untrained_here(policy: Policy) -> str | None:
    """Why a training cannot be asked for, however many labels there are; None where it can."""
    model = policy.model
    trainable = isinstance(model, (Upstream, Hosted))
    if not isinstance(model, Foreign) or (isinstance(model, (Upstream, Hosted)) and model.train):
        return None
    way = ": set model.train: true if it can be" if trainable else ""
    return f"a model of kind {model.kind} is not trained by Labelgate{way}"


def forward_training(runtime: Runtime, project: ConnectedProject, policy: Policy) -> str:
    """Tell the policy's model to train; what came of it, in words.

    The new version shows itself by its name, and is taken up by ``foreign_versions``.

    Raises
        TrainingError: this model is not trained from here, or did not take the request.
    """
    model, why = policy.model, untrained_here(policy)
    if why is not None:
        raise TrainingError(why)
    if not isinstance(model, (Upstream, Hosted)):
        raise TrainingError("the policy's model is Labelgate's own: nobody else trains it")
    source = source_of(runtime, project.id, model)
    try:
        if isinstance(source, _Unset):
            source.reported(project.label_config)
        elif isinstance(source, UpstreamSource):
            source.train(project.label_config)
        elif isinstance(source, HostedSource):
            held_out = _held_out(runtime, project, policy)
            source.train(project.label_config, held_out, runtime.settings.train_timeout_s)
    except ModelUnavailableError as error:
        raise TrainingError(str(error)) from error
    done = "was trained" if isinstance(model, Hosted) else "was told to train"
    return f"the model {source.name} {done}"


def _held_out(runtime: Runtime, project: ConnectedProject, policy: Policy) -> list[int]:
    """The answered tasks that a model is measured on, and so must not learn from."""
    with runtime.reads() as session:
        slices = labelled_slices(session, project, policy)
    return sorted({*slices.control, *slices.holdout})


def _hosted(settings: Settings, project_id: int, model: Hosted) -> HostedSource:
    spec = host_spec(settings, project_id, model)
    host = host_of(spec, model.process)
    return HostedSource(model=model, host=host, folder=spec.folder, project_id=project_id)


def _upstream(settings: Settings, project_id: int, model: Upstream) -> Source:
    name = model.credentials
    credentials = None if name is None else credentials_named(settings, name)
    if name is not None and credentials is None:
        return _Unset(
            problem=f"the credentials {name!r} of the model server {model.url} are not set: put "
            f"them into LABELGATE_UPSTREAM_CREDENTIALS, or into the file {name}.credentials in "
            "the data folder"
        )
    return UpstreamSource(
        model=model,
        server=model_server(model.url, credentials, destinations=settings.destinations),
        project_id=project_id,
        hostname=settings.label_studio_url,
    )


def _llm(runtime: Runtime, project_id: int, model: Llm) -> Source:
    settings = runtime.settings
    if settings.llm_url is None:
        return _Unset(
            problem="LABELGATE_LLM_URL is not set: a model of kind llm needs the address of a "
            "chat endpoint, such as http://127.0.0.1:8000/v1"
        )
    endpoint = ChatEndpoint(
        server=model_server(
            settings.llm_url, llm_credentials(settings), destinations=settings.settled
        ),
        model=model.model,
        timeout_s=model.timeout_s,
    )
    return LlmSource(model=model, endpoint=endpoint, spent=_counting(runtime, project_id, model))


def _counting(runtime: Runtime, project_id: int, model: Llm) -> Callable[[Usage], None]:
    def count(usage: Usage) -> None:
        try:
            with runtime.sessions.begin() as session:
                add_usage(session, _priced(project_id, model, usage))
        except OperationalError as error:  # what was paid for must not be lost with its count
            logger.warning("foreign.usage_not_counted project=%d error=%s", project_id, error)

    return count


def _priced(project_id: int, model: Llm, usage: Usage) -> ModelUsage:
    prices: TokenPrices = model.price_per_million_tokens
    paid = usage.input_tokens * prices.input + usage.output_tokens * prices.output
    return ModelUsage(
        project_id=project_id,
        model=model.model,
        questions=usage.questions,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost=paid / _MILLION,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unset:
    """A model that cannot be asked because a setting is missing; ``problem`` names it."""

    problem: str

    @property
    def name(self) -> str:
        return "foreign"

    def reported(self, label_config: str) -> str:
        del label_config
        raise ModelUnavailableError(self.problem)

    def answers(self, asked: Asked) -> Predicted:
        return unanswered(len(asked.task_ids), self.problem)


def _withdrawn(version: str) -> _Unset:
    return _Unset(
        problem=f"the policy or the labelling config no longer asks for what {version} is: the "
        "next round takes up what they ask for now"
    )
