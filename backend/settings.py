"""Settings from the environment and mounted files, read once by ``backend.bootstrap``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.destinations import Destinations, allowed_of, networks_of


class SettingsError(Exception):
    """A setting is missing or unsafe; the message names the variable and the way out."""


def _without_trailing_slash(url: str) -> str:
    return url.rstrip("/")


def _list_of_addresses(text: str) -> str:
    allowed_of(text)
    return text


def _list_of_networks(text: str) -> str:
    networks_of(text)
    return text


Url = Annotated[str, AfterValidator(_without_trailing_slash)]
Addresses = Annotated[str, AfterValidator(_list_of_addresses)]
Networks = Annotated[str, AfterValidator(_list_of_networks)]


class Settings(BaseSettings):
    """Everything an admin can set. Every variable starts with ``LABELGATE_``."""

    model_config = SettingsConfigDict(env_prefix="LABELGATE_", extra="ignore", frozen=True)

    data_dir: Path = Field(
        default=Path("labelgate-data"),
        description="Folder for the SQLite database, model artifacts and secret files.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="Address of the database, such as postgresql://USER:PASSWORD@HOST/NAME; "
        "default: SQLite in the data folder.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis through which the scheduler hands work to `labelgate worker`, "
        "redis://HOST:6379/0; it holds nothing that is not in the database too. Default: none, and "
        "the scheduler does the work itself.",
    )
    migrate_at_start: bool = Field(
        default=True,
        description="Whether every start brings the database to the newest schema; without, "
        "`labelgate migrate` does, and a process refuses any other schema.",
    )
    secrets_dir: Path | None = Field(
        default=None,
        description="Folder of files that set what their names say, such as labelgate_password, "
        "as container platforms mount secrets; variables go before.",
    )
    label_studio_url: Url = Field(
        default="http://127.0.0.1:8080", description="Address of Label Studio."
    )
    label_studio_public_url: Url | None = Field(
        default=None,
        description="Address of Label Studio in people's browsers, for the links of the pages; "
        "default: the address above.",
    )
    label_studio_token: SecretStr | None = Field(
        default=None, description="Access token of a Label Studio admin (legacy or personal)."
    )
    robot_token: SecretStr | None = Field(
        default=None,
        description="Access token of the user that accepts labels; default: the file robot.token "
        "in the data folder, written by `labelgate connect`.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Shared secret that webhooks must carry; default: the file webhook.secret in "
        "the data folder, made on first use.",
    )
    public_url: Url | None = Field(
        default=None,
        description="Address under which people, and Label Studio, reach Labelgate; default: host "
        "and port.",
    )
    internal_url: Url | None = Field(
        default=None,
        description="Address under which Label Studio reaches Labelgate where it is not that of "
        "people, as between containers; default: the public address.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=9090, ge=1, le=65535, description="Port to listen on.")
    username: str | None = Field(default=None, description="User name for basic authentication.")
    password: SecretStr | None = Field(
        default=None, description="Password for basic authentication."
    )
    proxies: int = Field(
        default=0,
        ge=0,
        le=10,
        description="Reverse proxies in front of the server, each of which adds to "
        "X-Forwarded-For; then failed sign-ins are counted by the address that it names.",
    )
    label_studio_networks: Networks = Field(
        default="",
        description="Addresses and networks that Label Studio's requests (/webhook, /setup, "
        "/predict, /versions) may come from, with commas between; default: any.",
    )
    rate_limit: int = Field(
        default=200,
        ge=0,
        description="Requests a second that one address may send to the pages and their data, ten "
        "seconds' worth at once; 0: no limit. What Label Studio and deployed models send with the "
        "right password, secret or token is not counted.",
    )
    web_threads: int = Field(default=8, ge=1, le=64, description="Threads of the web process.")
    max_body_mb: int = Field(
        default=40, ge=1, le=1024, description="Largest request body taken, in MB."
    )
    sync_interval_s: float = Field(
        default=30.0, gt=0, description="Seconds between polls of Label Studio without a webhook."
    )
    deleted_task_days: int | None = Field(
        default=None,
        ge=0,
        description="Days after which what a task said is erased here, counted from when it was "
        "gone from Label Studio; default: it is kept until `labelgate erase tasks`.",
    )
    train_timeout_s: float = Field(
        default=3600.0, gt=0, description="A training that takes longer is ended and reported."
    )
    train_memory_mb: int | None = Field(
        default=None,
        ge=512,  # Python and its libraries alone take 350
        description="Memory that a training, or a hosted class, may take, in MB, on Linux; one "
        "that needs more ends and is reported. Default: three quarters of the machine's, or of the "
        "container's limit.",
    )
    embeddings: str = Field(
        default="auto",
        description="Whose sentence vectors policies with `embeddings: auto` learn from: auto (a "
        "model that is installed), off, or the name or folder of one.",
    )
    llm_url: Url | None = Field(
        default=None,
        description="Address of an OpenAI-compatible chat endpoint, up to what stands before "
        "/chat/completions, for policies whose model is of kind llm.",
    )
    llm_key: SecretStr | None = Field(
        default=None,
        description="Its key; default: the file llm.key in the data folder, or none.",
    )
    upstream_credentials: dict[str, SecretStr] | None = Field(
        default=None,
        description="Credentials of model servers by the names that policies give them, as JSON: "
        '{"yolo": "USER:PASSWORD"}, or a bearer token in place of both; default: the files '
        "NAME.credentials in the data folder.",
    )
    allowed_addresses: Addresses = Field(
        default="",
        description="Hosts, addresses and networks inside your own network that policies may name "
        "as model servers, with commas between: yolo, yolo:9090, .models.example, 10.0.0.0/8, "
        "127.0.0.1:9090. Others inside are not asked.",
    )
    alert_slack_url: SecretStr | None = Field(
        default=None,
        description="Incoming webhook of Slack, or of what takes its format, for alerts; default: "
        "the file alert_slack.url in the data folder.",
    )
    alert_webhook_url: SecretStr | None = Field(
        default=None,
        description="Address that gets alerts as signed JSON; default: the file alert_webhook.url "
        "in the data folder.",
    )
    alert_webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret that signs them; default: the file alert_webhook.secret in the data "
        "folder, made on first use.",
    )
    alert_smtp_url: SecretStr | None = Field(
        default=None,
        description="Mail server for alerts, smtp://USER:PASSWORD@HOST:587 or smtps://...:465; "
        "default: the file alert_smtp.url in the data folder.",
    )
    alert_email_from: str | None = Field(
        default=None, description="Address that alerts by e-mail come from."
    )
    alert_email_to: str | None = Field(
        default=None,
        description="Addresses, separated by commas, that get alerts by e-mail whose rule names no "
        "tier.",
    )
    alert_rate: int = Field(
        default=20,
        ge=1,
        description="Alerts that a project sends to a channel within ten minutes; more come "
        "together in one message.",
    )
    alert_give_up_days: float = Field(
        default=3.0,
        gt=0,
        description="Days for which an alert is tried again before it is given up.",
    )

    @property
    def store_url(self) -> str:
        """The address of the database to use; it may hold a password."""
        if self.database_url is not None and self.database_url.get_secret_value():
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'labelgate.db'}"

    @property
    def models_dir(self) -> Path:
        """Where model artifacts are kept."""
        return self.data_dir / "models"

    @property
    def own_url(self) -> str:
        """Where people find this server."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def called_url(self) -> str:
        """Where Label Studio calls this server."""
        return self.internal_url or self.own_url

    @property
    def label_studio_pages(self) -> str:
        """Where people's browsers find Label Studio."""
        return self.label_studio_public_url or self.label_studio_url

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User name and password, or None where basic authentication is off."""
        if self.username is None or self.password is None:
            return None
        return self.username, self.password.get_secret_value()

    @property
    def destinations(self) -> Destinations:
        """Where requests may go whose address a policy names."""
        return Destinations(allowed=allowed_of(self.allowed_addresses))

    @property
    def settled(self) -> Destinations:
        """The same where a setting names the address, which may be inside too."""
        return Destinations(allowed=allowed_of(self.allowed_addresses), settled=True)

    def process_environment(self) -> dict[str, str]:
        """The environment of a process that shall work with just these settings.

        Whatever else of Labelgate stands in this process's environment is left out. Secrets are
        among it: an environment is where they belong, a command line is not.
        """
        given = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        for name in self.model_fields_set:
            plain = _plain(getattr(self, name))
            if plain is not None:
                given[f"LABELGATE_{name.upper()}"] = plain
        return given

    def require_label_studio_token(self) -> str:
        """The admin token, or an error that names the variable."""
        if self.label_studio_token is None:
            raise SettingsError(
                "LABELGATE_LABEL_STUDIO_TOKEN is not set: copy an access token from Label Studio "
                "(Account & Settings > Access Token)"
            )
        return self.label_studio_token.get_secret_value()


SECRET_SETTINGS = frozenset(
    name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
)


def _plain(value: object) -> str | None:
    """A setting as its variable holds it."""
    if isinstance(value, dict):
        return json.dumps({name: _plain(each) for name, each in value.items()})
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return None if value is None else str(value)


def _is_setting(name: str) -> bool:
    prefix = Settings.model_config["env_prefix"]
    return name.startswith(prefix) and name.removeprefix(prefix).lower() in Settings.model_fields
