"""Whether Label Studio would call the address at which Labelgate can be reached."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from backend.diagnosis.findings import Finding, Topic
from connectors.label_studio.inspection import Guards

TOPIC = Topic("address")


def guards(url: str, seen: Guards) -> list[Finding]:
    """Judge Label Studio's guards against requests to local and private addresses."""
    sides = (
        ("webhooks allowed", seen.webhooks, "SSRF_PROTECTION_ENABLED=false"),
        ("ML backends allowed", seen.backends, "ML_BLOCK_LOCAL_IP=false"),
    )
    return [_guard(url, check, refused, setting) for check, refused, setting in sides]


def _guard(url: str, check: str, refused: str | None, setting: str) -> Finding:
    if refused is None:
        return TOPIC.ok(check, f"Label Studio takes {url}")
    why = "the address is local or private"
    if "(block:" in refused:
        why = f"it lies in {refused.split('(block:')[1].split(')')[0].strip()}"
    return TOPIC.failed(
        check,
        f"Label Studio refuses {url}: {why}",
        f"start Label Studio with {setting} in its environment, or export "
        "LABELGATE_PUBLIC_URL=an address that is not private",
    )


def reach(own_url: str, label_studio_url: str) -> Finding:
    """Judge whether a server elsewhere could find an address that means its own machine."""
    own, theirs = (urlsplit(each).hostname or "" for each in (own_url, label_studio_url))
    if _is_everywhere(own):
        return TOPIC.failed(
            "public address",
            f"{own_url} is where Labelgate listens, and no address that can be called",
            "export LABELGATE_PUBLIC_URL=http://HOST:PORT as Label Studio reaches this machine",
        )
    if _is_loopback(own) and not _is_loopback(theirs):
        return TOPIC.failed(
            "public address",
            f"Label Studio ({theirs}) would call {own_url}, which for it is its own machine",
            "export LABELGATE_PUBLIC_URL=http://HOST:PORT as Label Studio reaches this machine, "
            "and LABELGATE_HOST=0.0.0.0 with LABELGATE_USERNAME and LABELGATE_PASSWORD",
        )
    return TOPIC.ok("public address", f"Label Studio is told to call {own_url}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_everywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
