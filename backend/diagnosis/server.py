"""Whether Label Studio is at its address, of a version that was tested, and on our time."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from backend.diagnosis.findings import Finding, Topic
from connectors.label_studio.inspection import Greeting, Trouble

TOPIC = Topic("Label Studio")
TESTED = (1, 23)  # what the tests run on; older ones cannot delete one annotator's answers
# Polls read again what changed in the last 15 s before the last one; an access token lives 300 s.
SKEW_S = 10.0
LARGE_SKEW_S = 240.0
_ADDRESS = "export LABELGATE_LABEL_STUDIO_URL="
_OUT_OF = {
    Trouble.NAME: f"{_ADDRESS}http://HOST:PORT with a host that this machine can look up",
    Trouble.REFUSED: f"start Label Studio (label-studio start), or {_ADDRESS}its address",
    Trouble.TLS: f"{_ADDRESS}the address that its certificate names, or export "
    "SSL_CERT_FILE=the certificates of your own authority",
    Trouble.SLOW: "look at Label Studio's load and log, and at the firewall between",
    Trouble.OTHER: f"{_ADDRESS}its exact address; is a proxy between (HTTPS_PROXY, NO_PROXY)?",
}


def judge(seen: Greeting) -> list[Finding]:
    """Whether it is reached, which version it is, and what its clock says."""
    problem = _problem(seen)
    if problem is not None:
        return [problem]
    secure = _encryption(seen)
    found = [TOPIC.ok("reachable", f"{seen.url} answers"), _version(seen.release or "")]
    return [*found, _clock(seen.ahead_s), *([secure] if secure else [])]


def _problem(seen: Greeting) -> Finding | None:
    if seen.trouble is not None:
        saw = f"{seen.url}: {seen.trouble.value} ({seen.said})"
        return TOPIC.failed("reachable", saw, _OUT_OF[seen.trouble])
    if seen.moved_to is not None:
        target = seen.moved_to.split("/api/version")[0] or seen.moved_to
        return TOPIC.failed(
            "reachable",
            f"{seen.url} redirects to {seen.moved_to}; a token is never carried there",
            f"{_ADDRESS}{target}",
        )
    if seen.release is None:
        return TOPIC.failed(
            "reachable",
            f"{seen.url} answers {seen.status}, and not as Label Studio does",
            f"{_ADDRESS}the address of Label Studio, with the path it is served under, if any",
        )
    return None


def _version(release: str) -> Finding:
    found = re.match(r"(\d+)\.(\d+)", release)
    tested = ".".join(map(str, TESTED))
    if found is None:
        return TOPIC.warning(
            "version",
            f"it calls its version {release!r}; Labelgate is tested with {tested}",
            f"pip install 'label-studio>={tested}'",
        )
    if (int(found[1]), int(found[2])) < TESTED:
        return TOPIC.failed(
            "version",
            f"{release}; Labelgate needs {tested}, the first to delete one annotator's answers",
            f"pip install --upgrade 'label-studio>={tested}'",
        )
    return TOPIC.ok("version", f"{release} (tested: {tested})")


def _clock(ahead_s: float | None) -> Finding:
    if ahead_s is None:
        return TOPIC.not_checked("clock", "its answers carry no date")
    side = "ahead of" if ahead_s > 0 else "behind"
    saw = f"its clock is {abs(ahead_s):,.0f} s {side} ours"
    fix = "sudo timedatectl set-ntp true, on both machines"
    if abs(ahead_s) > LARGE_SKEW_S:
        return TOPIC.failed("clock", f"{saw}: polls miss answers, access tokens seem expired", fix)
    if abs(ahead_s) > SKEW_S:
        return TOPIC.warning("clock", f"{saw}: polls may miss answers for a while", fix)
    return TOPIC.ok("clock", "it agrees with ours within 2 s" if abs(ahead_s) < 2 else saw)


def _encryption(seen: Greeting) -> Finding | None:
    """A warning where tokens travel the network in the clear."""
    url = urlsplit(seen.url)
    host = url.hostname or ""
    if url.scheme == "https":
        return TOPIC.ok("TLS", "its certificate is trusted")
    if host in {"127.0.0.1", "localhost", "::1"} or "." not in host:  # a container's neighbour
        return None
    return TOPIC.warning(
        "TLS",
        f"{seen.url} is not encrypted: tokens cross the network in the clear",
        f"{_ADDRESS}https://{url.netloc}, once it is served so",
    )
