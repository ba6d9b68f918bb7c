"""The one door to disk: a policy file to a ``Policy``, or every problem that it has."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path as FilePath

import yaml
from pydantic import ValidationError

from policies.consistency import issues_of
from policies.document import LARGEST_FILE, PLAIN_WORDS, Document, read_document
from policies.messages import problems_of
from policies.problems import PolicyError, Problem, at, dotted, shown
from policies.schema import Policy, with_defaults

__all__ = [
    "PolicyError",
    "Problem",
    "dump_policy",
    "load_policy",
    "parse_policy",
    "policy_hash",
    "policy_if_it_loads",
]


_MOST_PROBLEMS = 200


def load_policy(path: FilePath) -> Policy:
    """Read a policy file; PolicyError names every problem, a missing or unreadable file too."""
    source = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)  # never more of a huge file than shows that it is one
    except OSError as error:
        raise _whole_file(source, f"cannot be read: {error.strerror}") from error
    if len(raw) > LARGEST_FILE:
        raise _whole_file(source, "is larger than 1 MB", hint="a policy is a short file")
    try:
        return parse_policy(raw.decode("utf-8"), source)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 text: byte {raw[error.start]:#04x}"
        raise _whole_file(source, message, line=line, hint="save it as UTF-8") from error


# Every job of a round reads the same text, the start page those of all projects, and nothing
# changes a policy.
@lru_cache(maxsize=512)
def parse_policy(text: str, source: str = "policy.yaml") -> Policy:
    """The policy that a YAML text describes; ``source`` is the name that messages give the file.

    Raises PolicyError with all problems at once, in the order of their lines.
    """
    document = read_document(text, source)
    problems = document.problems + consistency_problems(document)
    try:
        policy = Policy.model_validate(document.values)
    except ValidationError as error:
        problems += _told(error, document)
    if problems:
        raise PolicyError(source, sorted(problems, key=lambda problem: problem.line or 0))
    return policy


def policy_if_it_loads(text: str) -> Policy | None:
    """The policy of a stored text; None where an earlier version took what this one does not."""
    try:
        return parse_policy(text)
    except PolicyError:
        return None


def policy_hash(policy: Policy) -> str:
    """The SHA-256 that decisions name: of the content, so comments and order of keys are free.

    The policy's tests and its simulation are left out: they decide nothing.
    """
    content = policy.model_dump(mode="json", by_alias=True, exclude={"tests", "simulation"})
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def dump_policy(policy: Policy) -> str:
    """YAML with every default written out; ``parse_policy`` gives the same policy back."""
    content = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def consistency_problems(document: Document) -> list[Problem]:
    """What does not hold between the fields of a document, each with its line."""
    filled = with_defaults(document.values)
    return [
        Problem(
            line=document.line(issue.path),
            path=dotted(issue.path),
            value=shown(at(filled, issue.path)),
            message=issue.message,
            hint=issue.hint,
        )
        for issue in issues_of(filled)
    ]


def _told(error: ValidationError, document: Document) -> list[Problem]:
    """The first problems; a file with thousands is another one, and each takes time to word."""
    errors = error.errors(include_url=False)
    found = problems_of(errors[:_MOST_PROBLEMS], document)
    left = len(errors) - _MOST_PROBLEMS
    if left > 0:
        message = f"has {left:,} more problems than these"
        found.append(Problem(line=None, path="", value=None, message=message))
    return found


def _whole_file(
    source: str, message: str, *, line: int | None = None, hint: str | None = None
) -> PolicyError:
    return PolicyError(
        source, [Problem(line=line, path="", value=None, message=message, hint=hint)]
    )


class _Dumper(yaml.SafeDumper):
    """Quotes what either reading of plain words, YAML 1.1 or ours, would not take for text."""

    def ignore_aliases(self, data: object) -> bool:
        """Write repeated values out: a policy has no aliases."""
        del data
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    # PyYAML folds the rarer line breaks of text in single quotes; escapes keep them.
    style = None if value.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)
for _tag, _pattern, _first in PLAIN_WORDS:
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)
