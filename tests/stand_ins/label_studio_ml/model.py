"""The base class of models."""

from __future__ import annotations

import json
import os
from typing import Any

from label_studio_sdk.label_interface.interface import LabelInterface

from label_studio_ml.cache import create_cache

CACHE = create_cache(os.environ.get("CACHE_TYPE", "sqlite"), path=os.environ.get("MODEL_DIR", "."))


class LabelStudioMLBase:
    def __init__(self, project_id: str | None = None, label_config: str | None = None) -> None:
        self.project_id = project_id or ""
        if label_config is not None:
            self.label_interface = LabelInterface(config=label_config)
            if self.get("label_config") != label_config:
                self.set("label_config", label_config)
        if not self.model_version:
            self.set("model_version", "0.0.1")
        self.setup()

    def setup(self) -> None:
        """For subclasses."""

    def get(self, key: str) -> Any:
        return CACHE[self.project_id, key]

    def set(self, key: str, value: str) -> None:
        CACHE[self.project_id, key] = value

    def has(self, key: str) -> bool:
        return (self.project_id, key) in CACHE

    def set_extra_params(self, extra_params: str) -> None:
        self.set("extra_params", extra_params)

    @property
    def extra_params(self) -> Any:
        return json.loads(self.get("extra_params") or "{}")

    @property
    def model_version(self) -> Any:
        return self.get("model_version")
