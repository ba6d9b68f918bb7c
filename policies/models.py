"""Which model answers: Labelgate's own, or any other that a team already has.

The kinds say where the answers come from; the rules that decide on them are the same for all. No
secret stands in a policy: addresses of chat endpoints and all credentials come from the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, JsonValue, Tag

from policies.sections import Labels, Section, Text

EMBEDDED, UPSTREAM, PYTHON, LLM = "embedded", "upstream", "python", "llm"
HOSTED = "label-studio-ml"
# Without user and password: they would stand in the ledger with the policy.
Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(?:/[^\s?#@]*)?$")]
# Also the name of a file, so nothing that leads out of a folder.
CredentialsName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,48}$")]
_Function = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")]
_Seconds = Annotated[float, Field(gt=0, le=600)]
_Price = Annotated[float, Field(ge=0)]
RegionRule = Literal["lowest", "mean", "product"]


class Embedded(Section):
    """A model of Labelgate's own, trained on the project's labels."""

    kind: Literal["embedded"] = "embedded"
    fields: Labels | None = Field(
        default=None,
        description="Fields of the task's data to learn from as a table; default: what is shown.",
    )
    embeddings: Text = Field(
        default="auto",
        description="auto, off, or the name or folder of a sentence-transformers model.",
    )


class _InBatches(Section):
    timeout_s: _Seconds = Field(default=30.0, description="Seconds that a batch may take.")
    batch: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=50, description="Tasks that are asked for at once."
    )
    region_score: RegionRule = Field(
        default="lowest",
        description="How scores of regions make the task's: the lowest, their mean or product.",
    )


class Upstream(_InBatches):
    """A server that speaks Label Studio's ML backend contract."""

    kind: Literal["upstream"]
    url: Url = Field(description="Its address, as Label Studio would be given it.")
    train: bool = Field(
        default=False, description="Whether the server is told to train when a training is due."
    )
    credentials: CredentialsName | None = Field(
        default=None, description="Name of its credentials in the settings; default: none."
    )


class Python(Section):
    """A scikit-learn estimator in a skops file, or a function, from texts to probabilities."""

    kind: Literal["python"]
    estimator: Text | None = Field(
        default=None, description="A skops file; a relative one lies in the data folder."
    )
    function: _Function | None = Field(
        default=None, description="module:name; takes a list of texts, gives a row for each."
    )
    labels: Labels | None = Field(
        default=None, description="What the columns mean; default: the estimator's classes."
    )


class TokenPrices(Section):
    """What a million tokens cost, in the currency of the tiers."""

    input: _Price = Field(default=0.0, description="What is sent: instruction and task.")
    output: _Price = Field(default=0.0, description="What is answered.")


class Llm(Section):
    """A model behind an OpenAI-compatible chat endpoint; its address is a setting."""

    kind: Literal["llm"]
    model: Text = Field(description="The name that the endpoint knows it by.")
    instruction: Text | None = Field(
        default=None, description="What the labels mean, in your words; default: a plain question."
    )
    samples: Annotated[int, Field(ge=3, le=50)] | None = Field(
        default=None,
        description="Answers drawn for each task, whose agreement is the score; default: one "
        "answer, scored by its tokens' log-probabilities.",
    )
    output: Literal["json_schema", "prompt"] = Field(
        default="json_schema",
        description="Whether the endpoint holds answers to the labels, or only the prompt does.",
    )
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=500, description="Tokens that one answer may have."
    )
    timeout_s: _Seconds = Field(default=60.0, description="Seconds that one answer may take.")
    parallel: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="Questions that are asked at the same time."
    )
    price_per_million_tokens: TokenPrices = Field(
        default=TokenPrices(), description="Its prices, for what the metrics say it has cost."
    )


class Hosted(_InBatches):
    """A class on label-studio-ml's ``LabelStudioMLBase`` (2.x), run by Labelgate."""

    kind: Literal["label-studio-ml"]
    class_: _Function = Field(
        alias="class", description="module:Name of the class; the module is on the Python path."
    )
    params: dict[str, JsonValue] = Field(
        default={}, description="What the class reads as extra_params."
    )
    process: Literal["own", "inside"] = Field(
        default="own",
        description="A worker process of its own, or inside Labelgate's: no time-out, no training.",
    )
    train: bool = Field(
        default=False, description="Whether its fit is called when a training is due."
    )


def _kind(value: Any, default: str | None) -> str | None:
    """The tag, in brackets so that no key of the file can be taken for it."""
    if isinstance(value, Mapping):
        kind = value.get("kind", default)
    else:
        kind = getattr(value, "kind", None)
    return None if kind is None else f"({kind})"


def _foreign_kind(value: Any) -> str | None:
    return _kind(value, None)


def _model_kind(value: Any) -> str | None:
    return _kind(value, EMBEDDED)


ForeignModel = Annotated[
    Annotated[Upstream, Tag("(upstream)")]
    | Annotated[Python, Tag("(python)")]
    | Annotated[Llm, Tag("(llm)")]
    | Annotated[Hosted, Tag("(label-studio-ml)")],
    Discriminator(_foreign_kind),
]


class _First(Section):
    second: ForeignModel | None = Field(
        default=None,
        description="Another model, asked beside this one: see the condition model_disagreement.",
    )


class EmbeddedModel(_First, Embedded):
    """A model of Labelgate's own decides."""


class UpstreamModel(_First, Upstream):
    """Another server decides."""


class PythonModel(_First, Python):
    """An estimator or a function decides."""


class LlmModel(_First, Llm):
    """A chat endpoint decides."""


class HostedModel(_First, Hosted):
    """A hosted class decides."""


Model = Annotated[
    Annotated[EmbeddedModel, Tag("(embedded)")]
    | Annotated[UpstreamModel, Tag("(upstream)")]
    | Annotated[PythonModel, Tag("(python)")]
    | Annotated[LlmModel, Tag("(llm)")]
    | Annotated[HostedModel, Tag("(label-studio-ml)")],
    Discriminator(_model_kind),
]
Foreign = Upstream | Python | Llm | Hosted
