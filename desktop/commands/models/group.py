"""`servery models`: the group, and the list that it prints by itself."""

from __future__ import annotations

from dataclasses import asdict

import click

from desktop.commands import options
from desktop.commands.models.bring_in import import_model
from desktop.commands.models.canary import audit, canary
from desktop.commands.models.create import add, new
from desktop.commands.models.export import export
from desktop.commands.models.image import image, image_settings, images
from desktop.commands.models.manage import delete, duplicate, rename, restore
from desktop.commands.models.output import MODEL_COLUMNS, command, model_row
from desktop.commands.models.serving import serve, unserve, use
from desktop.commands.models.trust import trust
from desktop.commands.models.versions import keep, pin, report, unpin, verify, versions
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import print_json_lines, print_message, print_table
from desktop.model_faults import fault_sentences


@click.group(invoke_without_command=True)
@options.backend
@options.as_json_lines
@click.pass_context
def models(context: click.Context, target: BackendTarget, as_json: bool) -> None:
    """List the models, make new ones, and choose which one answers.

    Without a command, the models are listed: which one is current, that is, answers
    when no model is named, and which others are served beside it.
    """
    if context.invoked_subcommand is not None:
        return
    found = target.run(lambda client: client.models())
    if as_json:
        print_json_lines(asdict(model) for model in found)
    elif found:
        print_table(MODEL_COLUMNS, [model_row(model) for model in found])
        for model in found:
            if sentences := fault_sentences(model):
                print_message(sentences)
    else:
        print_message(f"There is no model yet. Make one: {command('models', 'new', '--help')}.")


for each in (
    *(new, add, import_model),
    *(use, serve, unserve),
    *(rename, duplicate, delete, restore),
    *(versions, report, verify, pin, unpin, keep, trust),
    *(canary, audit),
    *(image, images, image_settings),
    export,
):
    models.add_command(each)
