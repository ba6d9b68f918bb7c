"""An OpenAI-compatible chat endpoint: one question, one answer, what its tokens were and cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.model_servers.server import ModelServer, ModelServerError, mapping_of

# A token as the bytes that it stands for, and the logarithm of its probability.
Token = tuple[bytes, float]
# JSON can hold whole numbers below any float.
_LEAST = -1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What questions took: how many, and the tokens of questions and answers."""

    questions: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            questions=self.questions + other.questions,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """What the endpoint said; ``tokens`` is None where it gave no log-probabilities."""

    text: str
    tokens: tuple[Token, ...] | None
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The two texts of a question, the schema its answer is held to (None: none), and how.

    ``sampled`` draws an answer at temperature 1 instead of taking the likeliest.
    """

    instruction: str
    text: str
    schema: Mapping[str, Any] | None
    sampled: bool
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEndpoint:
    """A model behind an endpoint whose address ends before ``/chat/completions``."""

    server: ModelServer
    model: str
    timeout_s: float

    def answer(self, question: Question) -> ChatAnswer:
        """Ask once.

        Raises ``ModelServerError`` where there is no answer, or it was cut or withheld.
        """
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": question.instruction},
                {"role": "user", "content": question.text},
            ],
            "temperature": 1.0 if question.sampled else 0.0,
            "max_tokens": question.max_tokens,
            "stream": False,
        }
        if not question.sampled:
            body["logprobs"] = True
        if question.schema is not None:
            named = {"name": "answer", "strict": True, "schema": dict(question.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        return _answer(self.server.ask("POST", "/chat/completions", body, timeout_s=self.timeout_s))


def _answer(body: Any) -> ChatAnswer:
    usage = _usage(mapping_of(body).get("usage"))
    match body:
        case {"choices": [{"message": {"content": str(text)}, **rest}, *_]}:
            if rest.get("finish_reason") == "length":
                raise _AnsweredError("its answer was cut at max_tokens", usage)
            return ChatAnswer(text=text, tokens=_tokens(rest.get("logprobs")), usage=usage)
        case {"choices": [{"message": {"refusal": str()}}, *_]}:
            raise _AnsweredError("the model declined to answer", usage)
    raise _AnsweredError("answered without a message", usage)


class _AnsweredError(ModelServerError):
    """No usable answer, and yet it cost what it cost."""

    def __init__(self, message: str, usage: Usage) -> None:
        super().__init__(message)
        self.usage = usage


def usage_of(error: ModelServerError) -> Usage:
    """What a failed question took as far as the endpoint told."""
    return error.usage if isinstance(error, _AnsweredError) else Usage()


def _usage(told: Any) -> Usage:
    """The endpoint's own count; one that does not count is counted as a question of no tokens."""
    counts = told if isinstance(told, dict) else {}
    taken = {name: counts.get(name) for name in ("prompt_tokens", "completion_tokens")}
    sound = {
        name: value
        for name, value in taken.items()
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40
    }
    return Usage(
        questions=1,
        input_tokens=sound.get("prompt_tokens", 0),
        output_tokens=sound.get("completion_tokens", 0),
    )


def _tokens(told: Any) -> tuple[Token, ...] | None:
    """The answer's tokens; None where they are not given, or one of them is malformed."""
    match told:
        case {"content": [_, *_] as given}:
            tokens = [_token(each) for each in given]
            found = tuple(token for token in tokens if token is not None)
            return found if len(found) == len(tokens) else None
    return None


def _token(told: Any) -> Token | None:
    match told:
        case {"token": str(text), "logprob": float() | int() as logprob} if logprob <= 0:
            given, logprob = told.get("bytes"), float(max(logprob, _LEAST))
            if isinstance(given, list) and all(
                isinstance(each, int) and 0 <= each < 256 for each in given
            ):
                return bytes(given), logprob
            return text.encode(errors="replace"), logprob
    return None
