"""What is hosted, and all that it gets: its folder, its environment, its memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend.hosting.hosted_class import Wanted
from backend.memory import memory_limit_mb
from backend.settings import Settings
from policies.answer_texts import json_text
from policies.models import Hosted

IDLE_S = 3600.0
_PREFIX = str(Settings.model_config["env_prefix"])


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """A class to host. ``folder`` keeps its state, for all processes that host it.

    ``environment`` is that of its worker process, with a token where the class is ``trained``;
    ``memory_mb`` is None where nothing limits it; without a question for ``idle_s`` seconds the
    process ends until the next one.
    """

    wanted: Wanted
    folder: Path
    trained: bool
    # Not compared: libraries set variables of this process while it runs.
    environment: Mapping[str, str] = field(repr=False, compare=False)
    memory_mb: int | None = None
    idle_s: float = IDLE_S


def host_spec(settings: Settings, project_id: int, model: Hosted) -> HostSpec:
    """What a policy's class needs. Each class of each project has a folder of its own."""
    folder = settings.data_dir / "hosted" / str(project_id) / model.class_.replace(":", ".")
    folder = folder.resolve()
    return HostSpec(
        wanted=Wanted(path=model.class_, project_id=project_id, params=json_text(model.params)),
        folder=folder,
        trained=model.train,
        environment=_environment(settings, folder, train=model.train),
        memory_mb=memory_limit_mb(settings),
    )


def _environment(settings: Settings, folder: Path, *, train: bool) -> dict[str, str]:
    """This process's, without Labelgate's settings and with what label-studio-ml reads.

    Where the class is trained it fetches the labels itself, so it gets the address and the token of
    Label Studio; what stands in the environment already, counts.
    """
    given = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
    given |= {"MODEL_DIR": str(folder), "CACHE_TYPE": "sqlite"}
    if train and settings.label_studio_token is not None:
        token = settings.label_studio_token.get_secret_value()
        given.setdefault("LABEL_STUDIO_URL", settings.label_studio_url)
        given.setdefault("LABEL_STUDIO_HOST", given["LABEL_STUDIO_URL"])
        given.setdefault("LABEL_STUDIO_API_KEY", token)
    return given
