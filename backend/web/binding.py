"""Where the server may listen: beyond this machine only with credentials."""

from __future__ import annotations

from backend.settings import Settings, SettingsError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def require_safe_binding(settings: Settings) -> None:
    """Refuse to listen beyond loopback without credentials, by a ``SettingsError``.

    Accounts are not enough: Label Studio has none, and what it asks would be open to all.
    """
    if (settings.username is None) != (settings.password is None):
        raise SettingsError(
            "LABELGATE_USERNAME and LABELGATE_PASSWORD go together: set both or neither"
        )
    if settings.credentials is None and settings.host not in LOOPBACK:
        raise SettingsError(
            f"LABELGATE_HOST = {settings.host!r} can be reached from outside, so credentials are "
            "needed: set LABELGATE_USERNAME and LABELGATE_PASSWORD, or LABELGATE_HOST=127.0.0.1"
        )
