"""Accounts, their tokens, sessions and share links, as the database keeps them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from backend.store.account_tokens import (
    account_of_token,
    make_account_token,
    revoke_account_tokens,
    valid_tokens,
)
from backend.store.accounts import (
    ADMIN,
    VIEWER,
    Account,
    AccountTakenError,
    account_named,
    add_account,
    admins_left,
    all_accounts,
    any_account,
    set_disabled,
    set_password,
    set_role,
)
from backend.store.share_links import (
    EXPIRED,
    OPEN,
    REVOKED,
    NewLink,
    link_of_token,
    make_share_link,
    revoke_share_link,
    share_links,
)
from backend.store.web_sessions import (
    NewSession,
    end_session,
    end_sessions_of,
    forget_sessions,
    move_expiry,
    open_session,
    sessions_of_account,
    web_session_of,
)
from tests.fakes.databases import NOW, PROJECT_ID, Database, after


def account(database: Database, name: str = "ann", role: str = ADMIN) -> Account:
    with database.sessions.begin() as session:
        return add_account(session, name, role, "kept", NOW)


def test_accounts_are_found_by_their_name(database: Database) -> None:
    with database.reads() as session:
        assert not any_account(session)
        assert account_named(session, "ann") is None
    ann, bob = account(database), account(database, "bob", VIEWER)
    with database.reads() as session:
        assert any_account(session)
        assert account_named(session, "ann") == ann
        assert account_named(session, "Ann") is None
        assert all_accounts(session) == [ann, bob]
        assert admins_left(session) == 1


def test_of_two_who_take_a_name_at_once_one_gets_it(database: Database) -> None:
    def take(_turn: int) -> bool:
        try:
            account(database)
        except AccountTakenError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == [False, False, False, True]


def test_password_role_and_whether_it_is_disabled_can_change(database: Database) -> None:
    ann = account(database)
    with database.sessions.begin() as session:
        set_password(session, ann.id, "other")
        set_role(session, ann.id, VIEWER)
        set_disabled(session, ann.id, after(1))
        found = account_named(session, "ann")
        assert found is not None
        assert (found.password, found.role, found.disabled_at) == ("other", VIEWER, after(1))
        assert any_account(session)
        assert admins_left(session) == 0


def test_a_token_is_the_accounts_until_it_is_taken_back(database: Database) -> None:
    ann = account(database)
    with database.sessions.begin() as session:
        first = make_account_token(session, ann.id, "prometheus", NOW)
        second = make_account_token(session, ann.id, "", NOW)
        assert first.startswith("lga_")
        assert account_of_token(session, first) == ann
        assert account_of_token(session, first[:-1]) is None
        assert account_of_token(session, "") is None
        number = valid_tokens(session)[0].id
        assert revoke_account_tokens(session, ann.id + 1, after(1), number) == 0
        assert revoke_account_tokens(session, ann.id, after(1), number) == 1
        assert account_of_token(session, first) is None
        assert account_of_token(session, second) == ann
        assert [each.note for each in valid_tokens(session)] == [""]
        assert revoke_account_tokens(session, ann.id, after(2)) == 1
        assert account_of_token(session, second) is None


def test_a_disabled_accounts_token_is_nobodys(database: Database) -> None:
    ann = account(database)
    with database.sessions.begin() as session:
        token = make_account_token(session, ann.id, "", NOW)
        set_disabled(session, ann.id, after(1))
        assert account_of_token(session, token) is None


def opened(database: Database, key: str, account_id: int | None, share: int | None = None) -> None:
    new = NewSession(key=key, account_id=account_id, share_id=share, expires_at=after(100))
    with database.sessions.begin() as session:
        open_session(session, new, NOW)


def test_a_session_holds_until_it_expires_or_is_ended(database: Database) -> None:
    ann = account(database)
    opened(database, "a", ann.id)
    opened(database, "b", ann.id)
    opened(database, "c", None)
    with database.sessions.begin() as session:
        found = web_session_of(session, ["x", "a"], after(99))
        assert found is not None
        assert (found.key, found.account, found.link) == ("a", ann, None)
        other = web_session_of(session, ["b"], NOW)
        assert other is not None
        assert other.csrf != found.csrf
        assert len(sessions_of_account(session, ann.id, NOW)) == 2
        assert [each.key for each in sessions_of_account(session, None, NOW)] == ["c"]
        assert web_session_of(session, ["a"], after(100)) is None
        move_expiry(session, "a", after(200))
        assert web_session_of(session, ["a"], after(100)) is not None
        end_session(session, "a", after(1))
        assert web_session_of(session, ["a"], after(1)) is None
        assert end_sessions_of(session, ann.id, after(2)) == 1
        assert web_session_of(session, ["b"], after(2)) is None
        assert web_session_of(session, ["c"], after(2)) is not None


def test_a_disabled_accounts_session_opens_nothing(database: Database) -> None:
    ann = account(database)
    opened(database, "a", ann.id)
    with database.sessions.begin() as session:
        set_disabled(session, ann.id, NOW)
        assert web_session_of(session, ["a"], NOW) is None


def test_a_session_of_a_link_is_never_taken_for_the_settings_users(database: Database) -> None:
    opened(database, "a", None, share=77)  # no such link
    with database.reads() as session:
        assert web_session_of(session, ["a"], NOW) is None
        assert sessions_of_account(session, None, NOW) == []


def test_sessions_that_are_over_are_forgotten(database: Database) -> None:
    ann = account(database)
    for key in ("expired", "ended", "open"):
        opened(database, key, ann.id)
    with database.sessions.begin() as session:
        move_expiry(session, "expired", after(10))
        move_expiry(session, "open", after(1000))
        move_expiry(session, "ended", after(1000))
        end_session(session, "ended", after(10))
        forget_sessions(session, after(10))
        assert session.scalar(text("SELECT count(*) FROM web_sessions")) == 3
        forget_sessions(session, after(11))
        assert session.scalars(text("SELECT sha256 FROM web_sessions")).all() == ["open"]


@pytest.mark.parametrize("project_id", [PROJECT_ID, None])
def test_a_link_is_open_until_it_expires_or_is_taken_back(
    database: Database, project_id: int | None
) -> None:
    new = NewLink(project_id=project_id, note="board", made_by="ann", expires_at=after(10))
    with database.sessions.begin() as session:
        link, token = make_share_link(session, new, NOW)
        assert token.startswith("lgs_")
        assert link_of_token(session, token) == link
        assert link_of_token(session, token.upper()) is None
        assert (link.state(after(9.9)), link.state(after(10))) == (OPEN, EXPIRED)
        revoked = revoke_share_link(session, link.id, after(5))
        assert revoked is not None
        assert revoked.state(after(6)) == REVOKED
        again = revoke_share_link(session, link.id, after(6))
        assert again is not None
        assert again.revoked_at == after(5)
        assert revoke_share_link(session, link.id + 1, NOW) is None
        assert [each.id for each in share_links(session)] == [link.id]


def test_no_secret_is_in_the_database(database: Database) -> None:
    ann = account(database)
    with database.sessions.begin() as session:
        token = make_account_token(session, ann.id, "", NOW)
        new = NewLink(project_id=None, note="", made_by="ann", expires_at=NOW + timedelta(days=1))
        _, shared = make_share_link(session, new, NOW)
        kept = str(session.execute(text("SELECT * FROM account_tokens")).all())
        kept += str(session.execute(text("SELECT * FROM share_links")).all())
    for secret in (token, shared):
        assert secret not in kept
        assert secret.split("_", 1)[1] not in kept
