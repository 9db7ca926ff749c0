"""`servery models canary` and `audit`."""

from __future__ import annotations

import re
from dataclasses import asdict

import click

from backend.client import BackendClient
from backend.contract import CanarySummary, ModelSummary, NewCanary
from desktop.backend_process import BackendHandle
from desktop.commands import options
from desktop.commands.connections import chosen_model
from desktop.commands.models.output import command
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import (
    ProgressLine,
    print_json,
    print_json_lines,
    print_line,
    print_message,
    print_table,
)
from desktop.moments import moment_in_full
from serving.errors import ModelError
from serving.models.canary import DEFAULT_SECONDS, DEFAULT_SHARE

AUDIT_COLUMNS = ("WHEN", "BY", "VERSION", "WHAT")
_HOUR = 3600.0
_name = click.argument("name", required=False)


class ShareType(click.ParamType[float]):
    """A share of the requests: `10%` or `0.1`."""

    name = "share"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)(%?)", str(value).strip())
        if found is None:
            self.fail(f"{value} is not a share of the requests, as 10% is", param, ctx)
        share = float(found[1]) / (100 if found[2] else 1)
        if not 0 < share < 1:
            self.fail(f"{value} is not more than 0% and less than 100%", param, ctx)
        return share


@click.command()
@_name
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.option(
    "--share",
    type=ShareType(),
    default=DEFAULT_SHARE,
    metavar="SHARE",
    help="The share of the requests that VERSION answers.  [default: 10%]",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=1 / 60, max=720),
    default=DEFAULT_SECONDS / _HOUR,
    show_default=True,
    help="How long it goes on at most.",
)
@click.option(
    "--end",
    type=click.Choice(("for", "against")),
    help="End it: VERSION becomes the live one, or answers nothing any more.",
)
@options.backend
@options.as_json
def canary(
    target: BackendTarget,
    name: str | None,
    version: int | None,
    share: float,
    hours: float,
    end: str | None,
    as_json: bool,
) -> None:
    """Let VERSION of NAME answer a share of the requests.

    What it answers is compared with what the live version answers for the same photos. By a rule
    that `docs/decisions/canary.md` states, it becomes the live one or is held back; --end decides
    that at once. Without VERSION, how it stands is printed.
    """
    if version is not None and end is not None:
        raise click.UsageError("--end is about the canary that goes on; leave VERSION out.")

    async def carry_out(
        client: BackendClient, handle: BackendHandle
    ) -> tuple[ModelSummary, CanarySummary | None, bool]:
        model = await chosen_model(client, name)
        if version is not None:
            new = NewCanary(share, hours * _HOUR)
            with ProgressLine() as report:
                report(0, 0, f"Trying version {version}")
                await client.start_canary(model.name, version, new)
        going_on = (await client.model(model.name)).canary
        if end is not None:
            if going_on is None:
                raise ModelError(
                    f"{model.name} has no canary.", "Start one: name the version after the model."
                )
            if end == "for":
                await client.promote(model.name, going_on.version)
            else:
                await client.end_canary(model.name, going_on.version)
        return model, going_on, handle.started_here

    model, going_on, alone = target.run_with_handle(carry_out)
    if going_on is None:
        print_message(f"{model.name} has no canary.")
    elif as_json and end is not None:
        print_json({"model": model.name, "version": going_on.version, "ended": end})
    elif as_json:
        print_json(asdict(going_on))
    elif end == "for":
        print_line(f"Version {going_on.version} of {model.name} is live.")
    elif end == "against":
        print_line(f"Version {going_on.stable} of {model.name} answers all requests again.")
    else:
        print_line(f"Version {going_on.version} of {model.name}: {going_on.sentence}")
        if alone:
            print_message(
                f"Nothing looks after it while no backend runs. Start one: {command('serve')}."
            )


@click.command()
@_name
@options.count("Show the last N.", default=50)
@options.backend
@options.as_json_lines
def audit(target: BackendTarget, name: str | None, number: int, as_json: bool) -> None:
    """Print what was done to the versions of the model NAME.

    When, by whom and by which rule a version went live, was held back or became a canary,
    and who pinned, unpinned or deleted one, the newest first. Without NAME, of the current model.
    """

    async def fetch(client: BackendClient) -> tuple[str, list[dict[str, object]]]:
        model = await chosen_model(client, name)
        return model.name, [asdict(each) for each in await client.audit(model.name, number)]

    model, entries = target.run(fetch)
    if as_json:
        print_json_lines(entries)
    elif entries:
        rows = [
            (
                moment_in_full(str(each["when"])),
                str(each["by"]) or "-",
                "-" if each["version"] is None else f"v{each['version']}",
                str(each["text"]),
            )
            for each in entries
        ]
        print_table(AUDIT_COLUMNS, rows)
    else:
        print_message(f"Nothing was done to the versions of {model} yet.")
