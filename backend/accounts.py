"""What is done to accounts, to their tokens and to share links; each leaves a line in the trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend import passwords
from backend.runtime import Runtime
from backend.store import accounts as store
from backend.store.account_tokens import make_account_token, revoke_account_tokens
from backend.store.accounts import Account, AccountTakenError, account_named, add_account
from backend.store.acts import Act, record_act
from backend.store.share_links import NewLink, ShareLink, make_share_link, revoke_share_link
from backend.store.web_sessions import end_sessions_of

LONGEST_NAME = 80
LONGEST_NOTE = 200
MOST_DAYS = 365


class AccountError(Exception):
    """Something about an account or a link cannot be done; the message says why and what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLink:
    """A link to be made: what it shows (None: all projects), for how many days, and for whom."""

    project_id: int | None
    days: float
    note: str


def add(runtime: Runtime, name: str, role: str, password: str | None, by: str) -> Account:
    """A new account; without a password it is for programs, which bring a token."""
    _require_name(runtime, name)
    kept = None if password is None else _kept(name, password)
    now = runtime.now()
    try:
        with runtime.sessions.begin() as session:
            account = add_account(session, name, role, kept, now)
            detail = {"account": name, "role": role}
            record_act(session, _act(runtime, by, "account.added", detail))
    except AccountTakenError:
        raise AccountError(
            f"an account {name!r} is there already: `labelgate accounts list` shows it, "
            "`labelgate accounts enable` opens one that was disabled"
        ) from None
    return account


def change_password(
    runtime: Runtime, name: str, password: str, by: str, proved: str | None = None
) -> Account:
    """Another password; whoever is signed in by the old one is signed out.

    ``proved`` is what was kept of the password by which it was allowed: of two who change it at
    once with the same one, the later is refused.
    """
    kept = _kept(name, password)
    with runtime.sessions.begin() as session:
        account = _existing(session, name)
        if proved is not None and account.password != proved:
            raise AccountError("the password was changed by somebody else meanwhile")
        store.set_password(session, account.id, kept)
        end_sessions_of(session, account.id, runtime.now())
        record_act(session, _act(runtime, by, "account.password_changed", {"account": name}))
        return _existing(session, name)


def change_role(runtime: Runtime, name: str, role: str, by: str) -> None:
    """Another role, from the next request on."""
    with runtime.sessions.begin() as session:
        account = _existing(session, name)
        store.set_role(session, account.id, role)
        detail = {"account": name, "role": role, "before": account.role}
        record_act(session, _act(runtime, by, "account.role_changed", detail))


def disable(runtime: Runtime, name: str, by: str) -> None:
    """End its sessions and let it in no more; its tokens open nothing until it is enabled."""
    with runtime.sessions.begin() as session:
        account = _existing(session, name)
        if account.disabled_at is None:
            store.set_disabled(session, account.id, runtime.now())
            end_sessions_of(session, account.id, runtime.now())
            record_act(session, _act(runtime, by, "account.disabled", {"account": name}))


def enable(runtime: Runtime, name: str, by: str) -> None:
    """Let a disabled account in again."""
    with runtime.sessions.begin() as session:
        account = _existing(session, name)
        if account.disabled_at is not None:
            store.set_disabled(session, account.id, None)
            record_act(session, _act(runtime, by, "account.enabled", {"account": name}))


def new_token(runtime: Runtime, name: str, note: str, by: str) -> str:
    """A token of the account, which is nowhere else."""
    with runtime.sessions.begin() as session:
        account = _existing(session, name)
        if account.disabled_at is not None:
            raise AccountError(
                f"the account {name!r} is disabled, its tokens open nothing: run "
                f"`labelgate accounts enable` first"
            )
        token = make_account_token(session, account.id, _short(note), runtime.now())
        record_act(
            session, _act(runtime, by, "account.token_made", {"account": name, "note": note})
        )
    return token


def revoke_tokens(runtime: Runtime, name: str, token_id: int | None, by: str) -> int:
    """Take back one token, or all; sessions of the account end, for one may rest on the token."""
    with runtime.sessions.begin() as session:
        account = _existing(session, name)
        number = revoke_account_tokens(session, account.id, runtime.now(), token_id)
        if token_id is not None and not number:
            raise AccountError(
                f"the account {name!r} has no valid token {token_id}: `labelgate accounts list` "
                "shows those that it has"
            )
        if number:
            end_sessions_of(session, account.id, runtime.now())
            detail = {"account": name, "tokens": number}
            record_act(session, _act(runtime, by, "account.tokens_revoked", detail))
    return number


def share(runtime: Runtime, wanted: WantedLink, by: str) -> tuple[ShareLink, str]:
    """A new link, and its address, which is nowhere else."""
    if not 0 < wanted.days <= MOST_DAYS:  # not a number is refused too
        raise AccountError(
            f"a link holds for more than 0 and at most {MOST_DAYS} days, not {wanted.days:g}"
        )
    now = runtime.now()
    new = NewLink(
        project_id=wanted.project_id,
        note=_short(wanted.note),
        made_by=by,
        expires_at=now + timedelta(days=wanted.days),
    )
    with runtime.sessions.begin() as session:
        link, token = make_share_link(session, new, now)
        detail = {"link": link.id, "expires_at": link.expires_at.isoformat(), "note": link.note}
        record_act(session, _act(runtime, by, "share.made", detail, link.project_id))
    return link, f"{runtime.settings.own_url}/share/{token}"


def stop_sharing(runtime: Runtime, link_id: int, by: str) -> ShareLink:
    """Take a link back: it opens nothing more, and who came by it sees nothing more."""
    with runtime.sessions.begin() as session:
        now = runtime.now()
        link = revoke_share_link(session, link_id, now)
        if link is None:
            raise AccountError(f"there is no link {link_id}: `labelgate share list` shows them")
        if link.revoked_at == now:
            record_act(
                session, _act(runtime, by, "share.revoked", {"link": link.id}, link.project_id)
            )
    return link


def _require_name(runtime: Runtime, name: str) -> None:
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise AccountError(
            f"the name of an account has 1 to {LONGEST_NAME} characters that can be seen, and no "
            "space at its ends"
        )
    if name == runtime.settings.username:
        raise AccountError(f"{name!r} is the user of LABELGATE_USERNAME: choose another name")


def _kept(name: str, password: str) -> str:
    problem = passwords.problem_of(name, password)
    if problem is not None:
        raise AccountError(problem)
    return passwords.kept(password)


def _short(note: str) -> str:
    if len(note) > LONGEST_NOTE or not (note.isprintable() or not note):
        raise AccountError(f"a note has at most {LONGEST_NOTE} characters, on one line")
    return note


def _existing(session: Session, name: str) -> Account:
    account = account_named(session, name)
    if account is None:
        raise AccountError(
            f"there is no account {name!r}: `labelgate accounts list` shows all, "
            "`labelgate accounts add` makes one"
        )
    return account


def _act(
    runtime: Runtime, who: str, what: str, detail: Mapping[str, Any], project_id: int | None = None
) -> Act:
    return Act(project_id=project_id, who=who, what=what, detail=detail, at=runtime.now())
