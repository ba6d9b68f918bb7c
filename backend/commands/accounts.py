"""``labelgate accounts``: who may look at the pages, and in which role."""

from __future__ import annotations

import sys
from typing import TextIO

import click

from backend import accounts as use_case
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.output import done, note, tell, tell_json
from backend.runtime import Runtime
from backend.store.account_tokens import AccountToken, valid_tokens
from backend.store.accounts import ROLES, Account, account_named, admins_left, all_accounts

BY = "command line"  # in the trail: whoever reaches the data folder may do all

_ROLE = click.Choice(ROLES)
_PASSWORD = click.option(
    "--password-file",
    type=click.File("r", encoding="utf-8"),
    help="Read the password from the first line of this file, `-` for standard input; default: "
    "ask for it.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def accounts() -> None:
    """Who may look at the pages, in which role, with which tokens."""


@accounts.command()
@click.argument("name")
@click.option("--role", type=_ROLE, required=True, help="viewer looks, admin changes things too.")
@click.option("--no-password", is_flag=True, help="For a program: it will bring a token.")
@_PASSWORD
@_JSON
@clear_errors
def add(
    *, name: str, role: str, no_password: bool, password_file: TextIO | None, as_json: bool
) -> None:
    """Add an account. The first one closes the pages to whoever has none.

    Example: labelgate accounts add ann --role admin
    """
    if no_password and password_file is not None:
        raise click.UsageError("--no-password and --password-file exclude each other")
    runtime = build_runtime(read_settings())
    password = None if no_password else _password(password_file)
    use_case.add(runtime, name, role, password, BY)
    says = f"{name} may sign in as {role} at {runtime.settings.own_url}/sign-in"
    if no_password:
        says += f"\nit has no password: make a token by `labelgate accounts token {name}`"
    _tell_standing(runtime, name, says, as_json=as_json)


@accounts.command("list")
@_JSON
@clear_errors
def list_accounts(*, as_json: bool) -> None:
    """List the accounts and the numbers of their tokens.

    Example: labelgate accounts list
    """
    runtime = build_runtime(read_settings())
    with runtime.reads() as session:
        found = all_accounts(session)
        tokens = valid_tokens(session)
    listed = [(each, [one for one in tokens if one.account_id == each.id]) for each in found]
    if as_json:
        tell_json([_as_json(*each) for each in listed])
        return
    if not found:
        tell("no account: `labelgate accounts add NAME --role admin` makes the first")
        return
    width = max(len(each.name) for each in found)
    for account, own in listed:
        tell(f"{account.name:{width}}  {account.role:6}  {_standing(account, own)}")
        for token in own:
            purpose = f"  {token.note}" if token.note else ""
            tell(f"{'':{width}}  token {token.id}  {token.created_at:%Y-%m-%d}{purpose}")


@accounts.command()
@click.argument("name")
@_PASSWORD
@_JSON
@clear_errors
def password(*, name: str, password_file: TextIO | None, as_json: bool) -> None:
    """Set another password, and sign out whoever is signed in by the old one.

    Example: labelgate accounts password ann
    """
    runtime = build_runtime(read_settings())
    use_case.change_password(runtime, name, _password(password_file), BY)
    says = f"{name} signs in with the new password from now on"
    _tell_standing(runtime, name, says, as_json=as_json)


@accounts.command()
@click.argument("name")
@click.argument("role", type=_ROLE)
@_JSON
@clear_errors
def role(*, name: str, role: str, as_json: bool) -> None:
    """Give an account another role.

    Example: labelgate accounts role ann viewer
    """
    runtime = build_runtime(read_settings())
    use_case.change_role(runtime, name, role, BY)
    _tell_standing(runtime, name, f"{name} is {role} from now on", as_json=as_json)


@accounts.command()
@click.argument("name")
@_JSON
@clear_errors
def disable(*, name: str, as_json: bool) -> None:
    """Let an account in no more: its sessions end, its tokens open nothing.

    Example: labelgate accounts disable ann
    """
    runtime = build_runtime(read_settings())
    use_case.disable(runtime, name, BY)
    says = f"{name} is let in no more; `labelgate accounts enable {name}` undoes it"
    _tell_standing(runtime, name, says, as_json=as_json)


@accounts.command()
@click.argument("name")
@_JSON
@clear_errors
def enable(*, name: str, as_json: bool) -> None:
    """Let a disabled account in again, with the password and the tokens that it had.

    Example: labelgate accounts enable ann
    """
    runtime = build_runtime(read_settings())
    use_case.enable(runtime, name, BY)
    _tell_standing(runtime, name, f"{name} is let in again", as_json=as_json)


@accounts.command()
@click.argument("name")
@click.option(
    "--note", "purpose", default="", help="What it is for, such as the program that gets it."
)
@_JSON
@clear_errors
def token(*, name: str, purpose: str, as_json: bool) -> None:
    """Make a token with which a program may do what the account may do.

    It is sent as `Authorization: Bearer TOKEN`. It is printed this once, and only its hash is kept.

    Example: labelgate accounts token prometheus --note "metrics of the cluster"
    """
    runtime = build_runtime(read_settings())
    made = use_case.new_token(runtime, name, purpose, BY)
    if as_json:
        tell_json({"account": name, "token": made})
    else:
        tell(made)
    note("shown this once: keep it where the program reads its secrets")


@accounts.command()
@click.argument("name")
@click.option("--token", "token_id", type=int, help="Only the token of this number; default: all.")
@_JSON
@clear_errors
def revoke(*, name: str, token_id: int | None, as_json: bool) -> None:
    """Take back tokens of an account; its sessions end too, for one may rest on a token.

    Example: labelgate accounts revoke prometheus --token 2
    """
    runtime = build_runtime(read_settings())
    number = use_case.revoke_tokens(runtime, name, token_id, BY)
    says = f"{number} tokens of {name} are valid no more"
    _tell_standing(runtime, name, says, as_json=as_json)


def _password(given: TextIO | None) -> str:
    """From the file, from standard input where that is no terminal, else asked for twice."""
    source = given if given is not None or sys.stdin.isatty() else sys.stdin
    if source is None:
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt="The same again")
        return asked
    try:
        return source.readline().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise click.ClickException("the password is no UTF-8 text: write it so") from error


def _tell_standing(runtime: Runtime, name: str, says: str, *, as_json: bool) -> None:
    """What was done, or with ``--json`` how the account stands now; a note without an admin."""
    with runtime.reads() as session:
        account = account_named(session, name)
        tokens = valid_tokens(session)
        left = admins_left(session)
    if as_json and account is not None:
        tell_json(_as_json(account, [each for each in tokens if each.account_id == account.id]))
    else:
        done(says)
    if not left and runtime.settings.credentials is None:
        note("no admin can sign in now: `labelgate accounts add NAME --role admin` adds one")


def _standing(account: Account, tokens: list[AccountToken]) -> str:
    if account.disabled_at is not None:
        return f"disabled since {account.disabled_at:%Y-%m-%d}"
    secret = "a password" if account.password is not None else "no password"
    return f"{secret}, {len(tokens)} tokens"


def _as_json(account: Account, tokens: list[AccountToken]) -> dict[str, object]:
    return {
        "name": account.name,
        "role": account.role,
        "password": account.password is not None,
        "created_at": account.created_at,
        "disabled_at": account.disabled_at,
        "tokens": [
            {"id": each.id, "note": each.note, "created_at": each.created_at} for each in tokens
        ],
    }
