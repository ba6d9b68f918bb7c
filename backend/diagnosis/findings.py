"""What a check found: a verdict, what it saw, and the way out as a command or a setting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How a check ended; ``NOT_CHECKED`` is neither good nor bad news."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check; ``fix`` is what to run or to set, None where nothing is to be done."""

    topic: str
    check: str
    verdict: Verdict
    saw: str
    fix: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Topic:
    """The findings of one topic."""

    name: str

    def ok(self, check: str, saw: str) -> Finding:
        """All is well."""
        return Finding(topic=self.name, check=check, verdict=Verdict.OK, saw=saw)

    def warning(self, check: str, saw: str, fix: str) -> Finding:
        """It works, and somebody should look at it."""
        return Finding(topic=self.name, check=check, verdict=Verdict.WARNING, saw=saw, fix=fix)

    def failed(self, check: str, saw: str, fix: str) -> Finding:
        """It does not work."""
        return Finding(topic=self.name, check=check, verdict=Verdict.FAILED, saw=saw, fix=fix)

    def not_checked(self, check: str, because: str, fix: str | None = None) -> Finding:
        """Nothing is known of it."""
        return Finding(
            topic=self.name,
            check=check,
            verdict=Verdict.NOT_CHECKED,
            saw=f"because {because}",
            fix=fix,
        )


def went_wrong(findings: Iterable[Finding]) -> bool:
    """Whether any check failed."""
    return any(each.verdict is Verdict.FAILED for each in findings)
