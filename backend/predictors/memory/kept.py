"""What a version keeps of its training examples, beside what it learned from them.

Only what the policy asks for: distances to the training data, and twins among the human-labelled
tasks. Control and holdout tasks are no training examples, so they are never in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from scipy.sparse import csr_matrix

from backend.predictors.memory.novelty import (
    RUNS,
    NearPixels,
    NearTerms,
    Neighbourhood,
    neighbourhood,
)
from backend.predictors.memory.shingles import ShingleSets
from backend.predictors.memory.twins import Examples, Near, NearImages, NearTexts, Twins, twins_of
from backend.predictors.protocol import ModelInput, Predictor
from backend.predictors.texts.terms import character_terms
from policies.automation import ExactDuplicate, NearDuplicate
from policies.conditions import NEAR_DUPLICATE, NOVELTY
from policies.monitoring_shares import conditions_of
from policies.schema import Policy

# Of a version's lineage: the names of what it keeps.
KEEPS = "keeps"
# What a version may be asked to keep, as its lineage names it.
DISTANCES, TWINS = "distances", "twins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """None stands for what the policy did not ask for when the version was trained."""

    distances: Neighbourhood | None = None
    twins: Twins | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingExamples:
    """Human-labelled tasks that a model is trained on, in columns of one length."""

    task_ids: Sequence[int]
    inputs: Sequence[ModelInput]
    labels: Sequence[str]


@runtime_checkable
class Remembering(Protocol):
    """A predictor that keeps something of its training examples, and of the version before."""

    @property
    def memory(self) -> Memory:
        """What it keeps."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the tasks' data that they were, () where it learned from what is shown."""

    @property
    def forerunner(self) -> Predictor | None:
        """The version that served before, where the policy asks for it and there was one."""


_REMEMBERS: dict[type, bool] = {}  # a protocol looks at every attribute, at each task opened


def remembering_of(predictor: Predictor | None) -> Remembering | None:
    """The predictor where its class keeps something; None where it does not, or there is none."""
    kind = type(predictor)
    known = _REMEMBERS.get(kind)
    if known is None:
        known = _REMEMBERS[kind] = isinstance(predictor, Remembering)
    return cast("Remembering", predictor) if known else None


def needed_of(policy: Policy) -> tuple[str, ...]:
    """What a version must keep of its examples so that this policy can be decided by."""
    return _kept_for(policy, frozenset(each.kind for each in policy.conditions()))


def wanted_of(policy: Policy) -> tuple[str, ...]:
    """What a version is to keep of its examples: for decisions, quotas, and what is monitored."""
    monitored = {each.kind for each in conditions_of(policy)}
    return _kept_for(policy, frozenset(policy.signals_used) | monitored)


def _kept_for(policy: Policy, signals: frozenset[str]) -> tuple[str, ...]:
    by_twins = any(isinstance(rule, (ExactDuplicate, NearDuplicate)) for rule in policy.automation)
    wanted = {DISTANCES: NOVELTY in signals, TWINS: by_twins or NEAR_DUPLICATE in signals}
    return tuple(name for name, asked in wanted.items() if asked)


def remember(wanted: Sequence[str], examples: TrainingExamples) -> Memory:
    """What is wanted of the examples that a version was trained on."""
    return Memory(
        distances=neighbourhood(examples.inputs) if DISTANCES in wanted else None,
        twins=(
            twins_of(examples.task_ids, examples.inputs, examples.labels)
            if TWINS in wanted
            else None
        ),
    )


def as_plain(memory: Memory) -> dict[str, Any]:
    """The memory in arrays and plain values, for a model file."""
    return {
        "distances": None if memory.distances is None else _plain_distances(memory.distances),
        "twins": None if memory.twins is None else _plain_twins(memory.twins),
    }


def from_plain(values: Mapping[str, Any]) -> Memory:
    """The memory that ``as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    distances, twins = values["distances"], values["twins"]
    return Memory(
        distances=None if distances is None else _distances(distances),
        twins=None if twins is None else _twins(twins),
    )


def _plain_distances(distances: Neighbourhood) -> dict[str, Any]:
    match distances.near:
        case NearPixels() as near:
            return {"pixels": near.pixels, "gamma": near.gamma}
        case NearTerms() as near:
            examples = near.examples
            return {
                "terms": near.terms.listed,
                "rarities": near.rarities,
                "data": examples.data,
                "indices": examples.indices,
                "indptr": examples.indptr,
                "shape": list(examples.shape),
            }


def _distances(values: Mapping[str, Any]) -> Neighbourhood:
    if "pixels" in values:
        pixels = np.asarray(values["pixels"], np.uint8)
        return Neighbourhood(near=NearPixels(pixels=pixels, gamma=float(values["gamma"])))
    terms = character_terms(str(values["terms"]), RUNS)
    rarities = np.asarray(values["rarities"], np.float64)
    parts = (values["data"], values["indices"], values["indptr"])
    examples = csr_matrix(parts, shape=tuple(values["shape"]))
    if not len(rarities) == examples.shape[0] == terms.size + 1:
        raise ValueError(
            f"{terms.size} terms, but {len(rarities)} rarities and examples of {examples.shape[0]}"
        )
    return Neighbourhood(near=NearTerms(terms=terms, rarities=rarities, examples=examples))


def _plain_twins(twins: Twins) -> dict[str, Any]:
    names = sorted(set(twins.examples.labels))
    codes = {name: code for code, name in enumerate(names)}
    match twins.near:
        case NearTexts() as texts:
            near = {
                "runs": texts.sets.runs,
                "run_starts": texts.sets.starts,
                "lengths": texts.sets.lengths,
            }
        case NearImages() as images:
            near = {"hashes": images.hashes}
        case other:
            raise TypeError(f"no form to keep {type(other).__name__} in")
    return {
        "task_ids": twins.examples.task_ids,
        "names": names,
        "codes": np.array([codes[label] for label in twins.examples.labels], np.int64),
        "keys": twins.examples.keys,
        "starts": twins.examples.starts,
        **near,
    }


def _twins(values: Mapping[str, Any]) -> Twins:
    names = [str(name) for name in values["names"]]
    near: Near
    if "hashes" in values:
        near = NearImages(hashes=np.asarray(values["hashes"], np.uint64))
    else:
        near = NearTexts(
            sets=ShingleSets(
                runs=np.asarray(values["runs"], np.uint32),
                starts=np.asarray(values["run_starts"], np.int64),
                lengths=np.asarray(values["lengths"], np.int64),
            )
        )
    examples = Examples(
        task_ids=np.asarray(values["task_ids"], np.int64),
        labels=tuple(names[code] for code in np.asarray(values["codes"], np.int64).tolist()),
        keys=np.asarray(values["keys"], np.int64),
        starts=np.asarray(values["starts"], np.int64),
    )
    return Twins(examples=examples, near=near)
