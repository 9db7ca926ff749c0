"""`servery fleet attach` and `detach`: servers that somebody else runs."""

from __future__ import annotations

from typing import Any

import click

from desktop.commands import options
from desktop.commands.options import FleetTarget
from desktop.commands.terminal import print_json, print_line, print_message
from desktop.fleet.wording import attached_sentence
from serving.fleet.attached import checked_address
from serving.fleet.view import FleetView, InstanceView


@click.command()
@click.argument("address", metavar="HOST:PORT")
@options.fleet
@options.as_json
def attach(target: FleetTarget, address: str, as_json: bool) -> None:
    """Use a server that runs at HOST:PORT already.

    It is TensorFlow Serving, or what speaks like it.

    HOST:PORT is its gRPC API. It is asked what it serves and gets photos while that is the
    version that is live here; it is never started, changed or stopped. Photos are sent to it as
    they are, without encryption: attach servers in networks that you trust.
    """
    view = target.run(lambda fleet: fleet.attach(address))
    each = _find_view(view, address)
    if as_json:
        print_json(attached_as_json(each))
    else:
        print_line(f"{each.instance.id} is attached. {attached_sentence(each)}")


@click.command()
@click.argument("address", metavar="HOST:PORT")
@options.fleet
@options.as_json
def detach(target: FleetTarget, address: str, as_json: bool) -> None:
    """No longer use the server at HOST:PORT, which runs on."""
    target.run(lambda fleet: fleet.detach(address))
    detached = checked_address(address)
    if as_json:
        print_json({"address": detached})
    else:
        print_message(f"{detached} is detached. It runs on.")


def attached_as_json(each: InstanceView) -> dict[str, Any]:
    """Return how an attached server is."""
    return {
        "address": each.instance.id,
        "state": each.state.value,
        "versions": dict(each.versions),
        "failure": each.instance.failure,
    }


def _find_view(view: FleetView, address: str) -> InstanceView:
    return next(each for each in view.attached if each.instance.id == checked_address(address))
