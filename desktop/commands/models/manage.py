"""`servery models rename`, `duplicate`, `delete` and `restore`."""

from __future__ import annotations

from dataclasses import asdict

import click

from backend.client import BackendClient
from backend.contract import DeletedModel, ModelSummary
from desktop.backend_process import BackendHandle
from desktop.commands import options
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import confirm_unless, print_json, print_line
from desktop.formats import plural
from serving.errors import ModelError

_FOR_GOOD = "This cannot be undone."


@click.command()
@click.argument("name")
@click.argument("new_name")
@options.backend
@options.as_json
def rename(target: BackendTarget, name: str, new_name: str, as_json: bool) -> None:
    """Give the model NAME the name NEW_NAME.

    It may be served meanwhile.
    """
    model = target.run(lambda client: client.rename_model(name, new_name))
    _show(model, f"{name} is called {model.name} now.", as_json)


@click.command()
@click.argument("name")
@click.argument("new_name")
@options.backend
@options.as_json
def duplicate(target: BackendTarget, name: str, new_name: str, as_json: bool) -> None:
    """Copy NAME, with its versions and labels, as NEW_NAME."""
    model = target.run(lambda client: client.duplicate_model(name, new_name))
    _show(model, f"{model.name} is a copy of {name}.", as_json)


@click.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.option("--yes", is_flag=True, help="Do not ask, even if it cannot be undone.")
@options.backend
@options.as_json
def delete(target: BackendTarget, name: str, version: int | None, yes: bool, as_json: bool) -> None:
    """Delete the model NAME, or only one VERSION of it.

    The versions and labels of a model go with it. As long as the backend runs, because
    the window is open or `servery serve` runs, a model can be restored. A version cannot.
    """

    async def remove(client: BackendClient, handle: BackendHandle) -> DeletedModel | None:
        model = await client.model(name)
        if version is not None:
            confirm_unless(yes, f"Delete version {version} of {model.name} for good?", _FOR_GOOD)
            await client.delete_version(model.name, version)
            return None
        if handle.started_here:  # and ends with this command, so that nothing can be undone
            contents = (
                f"{plural(len(model.versions), 'version')} and {plural(model.labels, 'label')}"
            )
            confirm_unless(yes, f"Delete {model.name} with {contents} for good?", _FOR_GOOD)
        return await client.delete_model(model.name)

    deleted = target.run_with_handle(remove)
    if deleted is None and as_json:
        print_json({"model": name, "version": version})
    elif deleted is None:
        print_line(f"Version {version} of {name} was deleted.")
    elif as_json:
        print_json(asdict(deleted))
    else:
        contents = f"{plural(deleted.versions, 'version')} and {plural(deleted.labels, 'label')}"
        print_line(f"{deleted.name} was deleted, with {contents}.")


@click.command()
@click.argument("name", required=False)
@options.backend
@options.as_json
def restore(target: BackendTarget, name: str | None, as_json: bool) -> None:
    """Bring back the model NAME, or the one deleted last."""

    async def bring_back(client: BackendClient) -> ModelSummary:
        deleted = await client.deleted_models()
        for model in deleted:
            if name in (None, model.name):
                return await client.restore_model(model.token)
        raise ModelError(
            "There is no deleted model." if name is None else f"No model {name} was deleted.",
            "A deleted model can be restored until the backend ends; then it is gone.",
        )

    model = target.run(bring_back)
    _show(model, f"{model.name} is back.", as_json)


def _show(model: ModelSummary, sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(asdict(model))
    else:
        print_line(sentence)
