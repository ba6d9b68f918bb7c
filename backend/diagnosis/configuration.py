"""Whether the settings are what their author meant, and safe to listen by."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from backend.diagnosis.findings import Finding, Topic
from backend.settings import Settings, SettingsError
from backend.web.binding import require_safe_binding

TOPIC = Topic("settings")
# Variables that are no settings of the running system.
_OTHERS = ("LABELGATE_DEBUG", "LABELGATE_LABEL_STUDIO_BIN", "LABELGATE_DATA", "LABELGATE_COMPLETE")


def unreadable(error: SettingsError) -> Finding:
    """The settings cannot be read, and so nothing else can be looked at."""
    return TOPIC.failed(
        "readable",
        str(error),
        "change or unset the variables named above; docs/settings.md lists them all",
    )


def misspelt(names: Iterable[str]) -> Finding:
    """Judge the names of the environment: one that no setting has is silently of no effect."""
    known = [f"LABELGATE_{name.upper()}" for name in Settings.model_fields]
    strange = [
        name
        for name in names
        if name.upper().startswith("LABELGATE_") and name.upper() not in (*known, *_OTHERS)
    ]
    if not strange:
        return TOPIC.ok("readable", "every LABELGATE_ variable is a setting, and is understood")
    near = {name: difflib.get_close_matches(name.upper(), known, n=1) for name in strange}
    return TOPIC.warning(
        "readable",
        f"no setting is called {', '.join(strange)}: set without effect",
        "; ".join(
            f"rename {name} to {found[0]}" if found else f"unset {name}"
            for name, found in near.items()
        ),
    )


def binding(settings: Settings) -> Finding:
    """Judge where the web process listens, and who may ask it."""
    try:
        require_safe_binding(settings)
    except SettingsError as error:
        return TOPIC.failed(
            "safe binding",
            str(error),
            "export LABELGATE_USERNAME=labelgate LABELGATE_PASSWORD=$(openssl rand -base64 24)",
        )
    asked = "with a password" if settings.credentials else "this machine alone, without a password"
    return TOPIC.ok("safe binding", f"listens on {settings.host}:{settings.port}, {asked}")
