"""The channels that the settings name. Wrong addresses are told without being repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from backend.secret_files import alert_address, require_alert_webhook_secret
from backend.settings import Settings
from connectors.alerts.channel import AlertChannel
from connectors.alerts.mail import Mail
from connectors.alerts.webhooks import SignedWebhook, SlackWebhook

SLACK, WEBHOOK, EMAIL = "slack", "webhook", "email"
CHANNELS = (SLACK, WEBHOOK, EMAIL)
WAYS = {
    SLACK: "LABELGATE_ALERT_SLACK_URL",
    WEBHOOK: "LABELGATE_ALERT_WEBHOOK_URL (and LABELGATE_ALERT_WEBHOOK_SECRET)",
    EMAIL: "LABELGATE_ALERT_SMTP_URL, LABELGATE_ALERT_EMAIL_FROM and LABELGATE_ALERT_EMAIL_TO",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Those that can be used, and by name what is wrong with the settings of the others."""

    usable: Mapping[str, AlertChannel] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def configured_channels(settings: Settings) -> Channels:
    """Read the channels out of the settings; those of which nothing is set are left out."""
    made = {SLACK: _slack(settings), WEBHOOK: _webhook(settings), EMAIL: _email(settings)}
    problems = {name: each for name, each in made.items() if isinstance(each, str)}
    usable = {n: each for n, each in made.items() if each is not None and not isinstance(each, str)}
    return Channels(usable=usable, problems=problems)


def _slack(settings: Settings) -> AlertChannel | str | None:
    url = alert_address(settings, "slack")
    if url is None:
        return None
    wrong = _wrong_address(url, "LABELGATE_ALERT_SLACK_URL", ("http", "https"))
    return wrong or SlackWebhook(url=url, destinations=settings.settled)


def _webhook(settings: Settings) -> AlertChannel | str | None:
    url = alert_address(settings, "webhook")
    if url is None:
        return None
    wrong = _wrong_address(url, "LABELGATE_ALERT_WEBHOOK_URL", ("http", "https"))
    return wrong or SignedWebhook(
        url=url,
        secret=require_alert_webhook_secret(settings),
        destinations=settings.settled,
    )


def _email(settings: Settings) -> AlertChannel | str | None:
    url = alert_address(settings, "smtp")
    if url is None:
        return None
    wrong = _wrong_mail(url, settings)
    recipients = _addresses(settings.alert_email_to)
    return wrong or Mail(url=url, sender=str(settings.alert_email_from), recipients=recipients)


def _wrong_mail(url: str, settings: Settings) -> str | None:
    problem = _wrong_address(url, "LABELGATE_ALERT_SMTP_URL", ("smtp", "smtps"))
    if problem is not None:
        return problem
    given = {
        "LABELGATE_ALERT_EMAIL_FROM": _addresses(settings.alert_email_from),
        "LABELGATE_ALERT_EMAIL_TO": _addresses(settings.alert_email_to),
    }
    for name, addresses in given.items():
        if not addresses:
            return f"{name} is not set: alerts by e-mail need it beside LABELGATE_ALERT_SMTP_URL"
        for address in addresses:
            if not _is_address(address):
                return f"{name}: {address!r} is not an e-mail address"
    if len(given["LABELGATE_ALERT_EMAIL_FROM"]) > 1:
        return "LABELGATE_ALERT_EMAIL_FROM must be one address"
    return None


def _wrong_address(url: str, name: str, schemes: tuple[str, str]) -> str | None:
    form = f"{name} must begin with {schemes[0]}:// or {schemes[1]}:// and name a host"
    try:
        parts = urlsplit(url)
        named = _names_a_host(parts) and parts.scheme in schemes
    except ValueError:
        named = False
    return None if named and url.isprintable() and " " not in url else form


def _names_a_host(parts: SplitResult) -> bool:
    return bool(parts.hostname) and (parts.port is None or parts.port > 0)


def _addresses(listed: str | None) -> tuple[str, ...]:
    return tuple(each.strip() for each in (listed or "").split(",") if each.strip())


def _is_address(address: str) -> bool:
    name, _, domain = address.rpartition("@")
    plain = address.isprintable() and not any(each in address for each in ' <>"')
    return plain and bool(name) and bool(domain) and "@" not in name
