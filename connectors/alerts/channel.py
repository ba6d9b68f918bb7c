"""What every channel is given, and what it may raise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class AlertChannelError(Exception):
    """A message was not taken; the text says what came back, and holds no secret."""


class AlertChannelDownError(AlertChannelError):
    """The channel takes nothing now: other messages would fare no better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessage:
    """One message. ``id`` stays the same with every try, so that a receiver can drop a double.

    ``subject`` is one line and ``text`` everything for people; ``recipients`` are the addresses of
    the tier that is told, empty for whoever reads the channel; ``payload`` is for programs.
    """

    id: str
    subject: str
    text: str
    recipients: tuple[str, ...]
    payload: Mapping[str, Any]


class AlertChannel(Protocol):
    """One way out."""

    def send(self, message: AlertMessage) -> str:
        """Hand a message over; what came back, in a few words. Raises ``AlertChannelError``."""
        ...
