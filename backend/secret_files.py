"""Secrets in files of the data folder: read, made and written once, by their owner alone.

A setting goes before the file of its name. ``LABELGATE_SECRETS_DIR`` is another folder, of files
that set any setting; what reads that is ``backend.bootstrap``.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from pydantic import SecretStr

from backend.settings import Settings, SettingsError

# What their names are; all that stands beside them in the folder is no secret by itself.
SECRET_FILES = ("*.token", "*.secret", "*.key", "*.credentials", "alert_*.url")


def secret_files(folder: Path) -> list[Path]:
    """The secret files that a data folder holds, by name; none where there is no such folder."""
    return sorted(path for each in SECRET_FILES for path in folder.glob(each) if path.is_file())


def require_robot_token(settings: Settings) -> str:
    """The robot's token, or an error that says how to get one."""
    token = _secret(settings.robot_token, _robot_file(settings))
    if token is None:
        raise SettingsError(
            "LABELGATE_ROBOT_TOKEN is not set and the data folder has no robot.token: "
            "run `labelgate connect`, which makes the robot user"
        )
    return token


def store_robot_token(settings: Settings, token: str) -> None:
    """Keep the robot's token where only this user can read it."""
    _write(_robot_file(settings), token)


def kept_webhook_secret(settings: Settings) -> str | None:
    """The shared secret of the webhooks where it was made already; None where it was not."""
    return _secret(settings.webhook_secret, _webhook_file(settings))


def require_webhook_secret(settings: Settings) -> str:
    """The shared secret of the webhooks; made and kept on first use."""
    return _made(settings.webhook_secret, _webhook_file(settings))


def require_alert_webhook_secret(settings: Settings) -> str:
    """The secret that signs alerts; made and kept on first use."""
    return _made(settings.alert_webhook_secret, settings.data_dir / "alert_webhook.secret")


def alert_address(settings: Settings, channel: str) -> str | None:
    """The secret address of a channel: slack, webhook or smtp; None where it is not set."""
    given: SecretStr | None = getattr(settings, f"alert_{channel}_url")
    return _secret(given, settings.data_dir / f"alert_{channel}.url") or None


def llm_credentials(settings: Settings) -> str | None:
    """The key of the chat endpoint; None where it needs none."""
    return _secret(settings.llm_key, settings.data_dir / "llm.key") or None


def credentials_named(settings: Settings, name: str) -> str | None:
    """The credentials of a model server by their name; None where they are not set."""
    given = (settings.upstream_credentials or {}).get(name)
    return _secret(given, settings.data_dir / f"{name}.credentials") or None


def _robot_file(settings: Settings) -> Path:
    return settings.data_dir / "robot.token"


def _webhook_file(settings: Settings) -> Path:
    return settings.data_dir / "webhook.secret"


def _secret(given: SecretStr | None, path: Path) -> str | None:
    if given is not None:
        return given.get_secret_value()
    return path.read_text(encoding="utf-8").strip() if path.exists() else None


def _made(given: SecretStr | None, path: Path) -> str:
    secret = _secret(given, path)
    if secret is None:
        _write(path, secrets.token_urlsafe(32))
        secret = path.read_text(encoding="utf-8").strip()
    return secret


def _write(path: Path, secret: str) -> None:
    """Write once, readable by its owner only; a file that another process wrote first stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(secret + "\n", encoding="utf-8")
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(draft)  # atomic, and fails where the file exists
    draft.unlink()
