"""Options that several commands take."""

from __future__ import annotations

import click

from serving.engines.names import AUTO, ENGINE_CHOICES
from serving.models.starter.install import STARTER_MODEL

engine = click.option(
    "--engine",
    type=click.Choice(ENGINE_CHOICES),
    default=AUTO,
    envvar="SERVERY_ENGINE",
    show_default=True,
    show_envvar=True,
    help="The engine that runs the instances.",
)
model = click.option(
    "--model", default=STARTER_MODEL, show_default=True, metavar="NAME", help="Name of the model."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
