"""A server that speaks the ML backend contract, as a source of answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.predictors.foreign.batches import Batches
from backend.predictors.foreign.source import ModelUnavailableError
from backend.predictors.protocol import Asked, Predicted
from connectors.model_servers.server import ModelServer, ModelServerError
from connectors.model_servers.upstream import Upstream
from policies import models


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSource:
    """The server that a policy names, asked about one project."""

    model: models.Upstream
    server: ModelServer = field(repr=False)
    project_id: int
    hostname: str

    @property
    def name(self) -> str:
        """What people call it."""
        return "upstream"

    def reported(self, label_config: str) -> str:
        """Set it up for the project, as Label Studio does before it asks; its version."""
        try:
            return self._upstream(label_config).version()
        except ModelServerError as error:
            raise ModelUnavailableError(f"{self._who} {error}") from error

    def answers(self, asked: Asked) -> Predicted:
        """Ask in batches."""
        return Batches(
            ask=self._upstream(asked.label_config).answers,
            who=self._who,
            size=self.model.batch,
            rule=self.model.region_score,
        ).answers(asked)

    def train(self, label_config: str) -> None:
        """Tell it to train. Raises ``ModelUnavailableError`` where it does not take that."""
        try:
            self._upstream(label_config).train()
        except ModelServerError as error:
            raise ModelUnavailableError(f"{self._who} {error}") from error

    def _upstream(self, label_config: str) -> Upstream:
        return Upstream(
            server=self.server,
            project_id=self.project_id,
            label_config=label_config,
            hostname=self.hostname,
            timeout_s=self.model.timeout_s,
        )

    @property
    def _who(self) -> str:
        return f"the model server {self.server.url}"
