"""`servery token`: what lets in callers over HTTP that are not known to be the person."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from desktop.commands import options
from desktop.commands.terminal import (
    print_json,
    print_json_lines,
    print_line,
    print_message,
    print_table,
)
from serving.access_token import AccessToken
from serving.named_tokens import MAX_REQUESTS_PER_MINUTE, NamedToken, NamedTokens, TokenRole
from serving.workspace import Workspace


@click.group(invoke_without_command=True)
@click.option("--renew", is_flag=True, help="Make a new one; the one before is refused at once.")
@options.as_json
@click.pass_context
def token(context: click.Context, renew: bool, as_json: bool) -> None:
    """Print the token that lets callers in, or give others one.

    Programs of your own on this machine need none. Others send it as "Authorization: Bearer
    TOKEN", or as the password where a browser asks for one. Whoever has it can do all that you
    can do with Servery: give others tokens of their own, which may do less, with `servery token
    new`.
    """
    if context.invoked_subcommand is None:
        workspace: Workspace = context.obj
        access = AccessToken(workspace.create().token)
        text = access.renew() if renew else access.read_or_make()
        if as_json:
            print_json({"token": text})
        else:
            print_line(text)


@token.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in TokenRole]),
    default=TokenRole.CLASSIFY.value,
    show_default=True,
    help="What it may do: classify photos; label them, too; or administer, which is everything.",
)
@click.option(
    "--per-minute",
    type=click.IntRange(1, MAX_REQUESTS_PER_MINUTE),
    help="The most requests a minute; one counts as often as it has something predicted."
    "  [default: no limit]",
)
@options.as_json
@click.pass_obj
def new(workspace: Workspace, name: str, role: str, per_minute: int | None, as_json: bool) -> None:
    """Make a token called NAME for others, and print it.

    It is printed this once: only a hash of it is kept. Labels that come with it are NAME's.
    """
    tokens = NamedTokens(workspace.create().named_tokens)
    made, text = tokens.create(name, TokenRole(role), per_minute or 0)
    if as_json:
        print_json({**_as_json(made), "token": text})
    else:
        print_line(text)
    print_message(f"The token {made.name} may {made.role}. It is not shown again.")


@token.command(name="list")
@options.as_json_lines
@click.pass_obj
def list_tokens(workspace: Workspace, as_json: bool) -> None:
    """List the tokens that others have, without the tokens themselves."""
    tokens = NamedTokens(workspace.create().named_tokens).read()
    if as_json:
        print_json_lines(map(_as_json, tokens))
        return
    rows = [
        (each.name, each.role, str(each.requests_per_minute or "-"), each.created)
        for each in tokens
    ]
    print_table(("NAME", "ROLE", "PER MINUTE", "MADE"), rows)


@token.command()
@click.argument("name")
@options.as_json
@click.pass_obj
def revoke(workspace: Workspace, name: str, as_json: bool) -> None:
    """Refuse the token called NAME from now on."""
    revoked = NamedTokens(workspace.create().named_tokens).revoke(name)
    if as_json:
        print_json(_as_json(revoked))
    else:
        print_message(f"The token {revoked.name} is refused now.")


def _as_json(token: NamedToken) -> dict[str, Any]:
    """Return what others may know of a token: not even its hash."""
    return {name: value for name, value in asdict(token).items() if name != "digest"}
