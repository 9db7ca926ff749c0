"""`servery models trust`: lets a model do more than compute."""

from __future__ import annotations

from dataclasses import asdict

import click

from backend.client import BackendClient, BackendRefused
from backend.contract import TrustSummary
from desktop.commands import options
from desktop.commands.connections import chosen_model
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import confirm, print_json, print_line, print_message
from desktop.model_trust import AFTER_WITHDRAWAL, explanation
from serving.errors import ModelError


@click.command()
@click.argument("name")
@click.option(
    "--version",
    "number",
    type=click.IntRange(min=1),
    help="The version.  [default: the newest]",
)
@click.option("--withdraw", is_flag=True, help="Trust it no longer; by default every version.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.backend
@options.as_json
def trust(
    target: BackendTarget,
    name: str,
    number: int | None,
    withdraw: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Let a version of the model NAME do more than compute.

    A model is a program: use only models that you trust. One that can read and write files,
    reach the network or run other programs is not loaded until you say that you trust its
    author. What you trust are its files as they are now: a version that is changed
    later is not trusted any more.

    With --withdraw, what was trusted is loaded no more. What instances have loaded stays until
    they load something else or are restarted.
    """
    if withdraw:
        _withdraw(target, name, number, as_json=as_json)
        return

    async def look(client: BackendClient) -> TrustSummary:
        model = await chosen_model(client, name)
        if not model.versions:
            raise ModelError(
                f"Model {model.name} has no version yet.", "Choose another model to trust."
            )
        return await client.trust(model.name, number or model.versions[0].number)

    async def carry_out(client: BackendClient) -> TrustSummary:
        return await client.trust_version(found.model, found.version)

    found = target.run(look)
    about = f"Version {found.version} of {found.model}"
    outcome = f"{about} may be loaded as it is."
    if found.unsafe_parts:
        if not yes:
            print_message(explanation(found))
            confirm("Do you trust its author?")
        found = target.run(carry_out)
        outcome = f"{about} is trusted now."
    if as_json:
        print_json(asdict(found))
    else:
        print_line(outcome)


def _withdraw(target: BackendTarget, name: str, number: int | None, *, as_json: bool) -> None:
    """Trust one version no longer, or all of them, and say which ones were trusted."""

    async def carry_out(client: BackendClient) -> tuple[str, list[int]]:
        model = await chosen_model(client, name)
        withdrawn = []
        for each in [number] if number else [version.number for version in model.versions]:
            try:
                await client.withdraw_trust(model.name, each)
            except BackendRefused as error:
                if number or error.status != 404:
                    raise
            else:
                withdrawn.append(each)
        return model.name, withdrawn

    model, withdrawn = target.run(carry_out)
    if not withdrawn:
        raise ModelError(
            f"No version of {model} is one of those that you trusted.",
            "Nothing has to be withdrawn.",
        )
    if as_json:
        print_json({"model": model, "withdrawn": withdrawn})
        return
    for each in withdrawn:
        print_line(f"Version {each} of {model} is not trusted any more.")
    print_message(AFTER_WITHDRAWAL)
