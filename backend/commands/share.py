"""``labelgate share``: links that show a project, or all, to whoever has them."""

from __future__ import annotations

import click

from backend.accounts import WantedLink, stop_sharing
from backend.accounts import share as make_link
from backend.bootstrap import build_runtime, read_settings
from backend.commands.accounts import BY
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import done, note, tell, tell_json
from backend.store.projects import all_projects
from backend.store.share_links import ShareLink, share_links

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def share() -> None:
    """Links that show a project, or all, to whoever has them, until they expire."""


@share.command()
@click.option("--project", help="Number or title of the project that it shows.")
@click.option("--all", "everything", is_flag=True, help="It shows all projects instead.")
@click.option(
    "--days", type=float, default=7, show_default=True, help="For how many days it holds."
)
@click.option("--note", "purpose", default="", help="For whom it is.")
@_JSON
@clear_errors
def create(
    *, project: str | None, everything: bool, days: float, purpose: str, as_json: bool
) -> None:
    """Make a link. It is printed this once, and only its hash is kept.

    Example: labelgate share create --project 3 --days 14 --note "the review board"
    """
    if (project is not None) == everything:
        raise click.UsageError("say either --project PROJECT or --all")
    runtime = build_runtime(read_settings())
    project_id = None if project is None else connected_project(runtime, project).id
    wanted = WantedLink(project_id=project_id, days=days, note=purpose)
    link, address = make_link(runtime, wanted, BY)
    if as_json:
        tell_json({**_as_json(link, link.state(runtime.now())), "address": address})
    else:
        tell(address)
    note(
        f"shown this once; link {link.id} holds until {link.expires_at:%Y-%m-%d %H:%M} UTC, and "
        "whoever has it may look"
    )


@share.command("list")
@_JSON
@clear_errors
def list_links(*, as_json: bool) -> None:
    """List the links, the newest first.

    Example: labelgate share list
    """
    runtime = build_runtime(read_settings())
    now = runtime.now()
    with runtime.reads() as session:
        links = share_links(session)
        titles = {each.id: each.title for each in all_projects(session)}
    if as_json:
        tell_json([_as_json(each, each.state(now)) for each in links])
        return
    for each in links:
        shown = "all projects"
        if each.project_id is not None:
            shown = titles.get(each.project_id, f"project {each.project_id}")
        tell(
            f"{each.id:4}  {each.state(now):7}  {each.expires_at:%Y-%m-%d %H:%M} UTC  {shown}  "
            f"{each.note or '-'}  by {each.made_by}"
        )
    if not links:
        tell("no link: `labelgate share create --project PROJECT` makes one")


@share.command()
@click.argument("link", type=int)
@_JSON
@clear_errors
def revoke(*, link: int, as_json: bool) -> None:
    """Take a link back; who came by it sees nothing more.

    Example: labelgate share revoke 1
    """
    runtime = build_runtime(read_settings())
    ended = stop_sharing(runtime, link, BY)
    if as_json:
        tell_json(_as_json(ended, ended.state(runtime.now())))
    else:
        done(f"link {link} opens nothing any more")


def _as_json(link: ShareLink, state: str) -> dict[str, object]:
    return {
        "id": link.id,
        "project": link.project_id,
        "state": state,
        "note": link.note,
        "made_by": link.made_by,
        "created_at": link.created_at,
        "expires_at": link.expires_at,
        "revoked_at": link.revoked_at,
    }
