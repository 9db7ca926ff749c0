"""`servery token`: what lets in callers over HTTP that are not known to be the person."""

from __future__ import annotations

import click

from desktop.commands.terminal import print_line
from serving.access_token import AccessToken
from serving.workspace import Workspace


@click.command()
@click.option("--renew", is_flag=True, help="Make a new one; the one before is refused at once.")
@click.pass_obj
def token(workspace: Workspace, renew: bool) -> None:
    """Print the token that lets callers in over HTTP.

    Programs of your own on this machine need none. Others send it as "Authorization: Bearer
    TOKEN", or as the password where a browser asks for one. Whoever has it can do all that you
    can do with Servery.
    """
    access = AccessToken(workspace.create().token)
    print_line(access.renew() if renew else access.read_or_make())
