"""`servery fleet`: start, scale, stop and inspect the instances."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from desktop.commands import options
from desktop.commands.fleet_attach import attach, attached_as_json, detach
from desktop.commands.nodes import nodes
from desktop.commands.options import FleetTarget
from desktop.commands.terminal import (
    ProgressLine,
    print_json,
    print_line,
    print_lines,
    print_message,
    print_table,
)
from desktop.fleet.wording import attached_sentence
from desktop.formats import plural
from serving.engines.protocol import DEFAULT_SLEEP_AFTER, InstanceState
from serving.fleet.fleet import Fleet, FleetView, InstanceView
from serving.fleet.record import InstanceLimits
from serving.progress import Report
from serving.socket_address import socket_path
from serving.tf.runtime_choice import OPENVINO, RUNTIMES, TENSORFLOW
from serving.units import format_bytes, format_duration, parse_bytes

CARD = "card"
"""What the card of each version says computes it."""
_RUNTIME_NAMES = {OPENVINO: "OpenVINO", TENSORFLOW: "TensorFlow"}


@click.group()
def fleet() -> None:
    """Start, scale, stop and inspect the instances."""


fleet.add_command(nodes)


@fleet.command()
@click.argument("count", type=click.IntRange(min=1), required=False)
@options.fleet
@options.as_json
def start(target: FleetTarget, count: int | None, as_json: bool) -> None:
    """Start COUNT instances.

    By default as many as the last time, or one.
    """

    async def carry_out(fleet: Fleet, report: Report) -> FleetView:
        desired_count = count or (await fleet.observe()).desired_count or 1
        return await fleet.scale(desired_count, report)

    _change(target, as_json, carry_out)


@fleet.command()
@click.argument("count", type=click.IntRange(min=0))
@options.fleet
@options.as_json
def scale(target: FleetTarget, count: int, as_json: bool) -> None:
    """Start or stop instances until exactly COUNT are running."""
    _change(target, as_json, lambda fleet, report: fleet.scale(count, report))


@fleet.command()
@options.fleet
@options.as_json
def stop(target: FleetTarget, as_json: bool) -> None:
    """Stop all instances.

    Requests that they have accepted are answered first.
    """
    _change(target, as_json, lambda fleet, report: fleet.scale(0, report))


@fleet.command()
@options.fleet
@options.as_json
def status(target: FleetTarget, as_json: bool) -> None:
    """Show the instances and their state."""
    view = target.run(lambda fleet: fleet.observe())
    _show(view, as_json)
    if not as_json:
        for sentence in filter(None, (view.engine_reason, view.update)):
            print_message(sentence)


@fleet.command()
@click.argument("instance")
@options.fleet
@options.as_json
def restart(target: FleetTarget, instance: str, as_json: bool) -> None:
    """Replace INSTANCE by a new one.

    It is stopped once the new one is ready.
    """

    async def carry_out(fleet: Fleet) -> FleetView:
        await fleet.restart(instance)
        return await fleet.observe()

    view = target.run(carry_out)
    if as_json:
        print_json(_as_json(view))
    else:
        print_message(f"{instance} was replaced by a new instance.")


@fleet.command()
@click.argument("instance")
@click.option(
    "--lines",
    default=200,
    show_default=True,
    help="Number of lines to print, from the end of the log.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Print new lines as they come, until Ctrl+C or until the instance stops.",
)
@options.fleet
@options.as_json_lines
def logs(target: FleetTarget, instance: str, lines: int, follow: bool, as_json: bool) -> None:
    """Print the log of INSTANCE."""

    def show_line(line: str) -> None:
        if as_json:
            print_json({"instance": instance, "line": line})
        else:
            print_line(line)

    async def show(fleet: Fleet) -> None:
        engine_of_instance = fleet.engine_of(instance)
        if not follow:
            for line in (await engine_of_instance.logs(instance, lines)).split("\n"):
                show_line(line)
            return
        async with aclosing(engine_of_instance.follow_logs(instance, lines)) as log:
            async for line in log:
                show_line(line)

    target.run(show)


@fleet.command()
@click.argument("instance")
@options.fleet
@options.as_json
def command(target: FleetTarget, instance: str, as_json: bool) -> None:
    """Print the command that starts the same instance by hand.

    For a container that is a `docker run`.
    """

    async def find(fleet: Fleet) -> str:
        return await fleet.engine_of(instance).run_command(instance)

    found = target.run(find)
    if as_json:
        print_json({"instance": instance, "command": found})
    else:
        print_lines(found)


for each in (attach, detach):
    fleet.add_command(each)


def _memory(text: str) -> int:
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@fleet.command()
@click.option(
    "--memory",
    "memory_limit",
    type=_memory,
    metavar="SIZE",
    help="Memory of each instance, such as 512MB or 2GB; 0 for the default: no limit for"
    " processes, half of the engine's memory for containers.",
)
@click.option(
    "--cpus",
    "cpu_limit",
    type=click.FloatRange(min=0),
    help="CPU cores of each instance; 0 for no limit.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    help="Threads of each instance; 0 to divide the cores among them.",
)
@click.option(
    "--pids",
    "pids_limit",
    type=click.IntRange(min=0),
    help="Processes and threads of each container; 0 for the default, 512 and 64 for each core.",
)
@click.option(
    "--sleep-after",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="Seconds without a request after which an instance that runs as a process gives its"
    " memory back; the next request wakes it. 0 for never; not with `fleet tcp on`.",
)
@click.option("--image", help="Image that containers run from; empty to choose automatically.")
@options.fleet
@options.as_json
def limit(target: FleetTarget, as_json: bool, **options: Any) -> None:
    """Set or print the limits of every instance.

    To set them, instances are replaced one after the other. Without options the
    limits are printed.
    """
    changed = {name: value for name, value in options.items() if value is not None}

    async def carry_out(fleet: Fleet) -> InstanceLimits:
        limits = InstanceLimits.of({**asdict(fleet.limits), **changed})
        if changed:
            await fleet.set_limits(limits)
            with ProgressLine() as report:
                await fleet.wait_until_converged(report)
        return fleet.limits

    limits = target.run(carry_out)
    if as_json:
        print_json(asdict(limits))
    else:
        print_line(_describe(limits))


@fleet.command()
@click.argument("choice", type=click.Choice(["on", "off"]), required=False)
@options.fleet
@options.as_json
def tcp(target: FleetTarget, choice: str | None, as_json: bool) -> None:
    """Let other users of this machine use the instances, or not.

    Instances that run as processes listen on UNIX sockets, which only your own programs
    reach. With `on` they listen on ports of 127.0.0.1 as well: every user and every program
    of this machine can send them photos and see which models they serve. Nobody can change
    what they serve. Containers always listen on such ports. Instances are replaced one after
    the other; without a choice, what is set is printed.
    """

    async def carry_out(fleet: Fleet) -> InstanceLimits:
        if choice is not None:
            await fleet.set_limits(replace(fleet.limits, tcp=choice == "on"))
            with ProgressLine() as report:
                await fleet.wait_until_converged(report)
        return fleet.limits

    limits = target.run(carry_out)
    if as_json:
        print_json({"tcp": limits.tcp})
    elif limits.tcp:
        print_line("Instances listen on TCP ports of 127.0.0.1, for every user of this machine.")
    else:
        print_line("Instances that run as processes listen on UNIX sockets, for you alone.")


@fleet.command()
@click.argument("choice", type=click.Choice([CARD, *RUNTIMES]), required=False)
@options.fleet
@options.as_json
def runtime(target: FleetTarget, choice: str | None, as_json: bool) -> None:
    """Choose what computes the versions in every instance.

    `card` is what the card of each version says, which is chosen when the version is made so
    that all instances give the same scores. `tensorflow` and `openvino` hold for all versions;
    what OpenVINO cannot compute with the same answers stays on TensorFlow. Instances are
    replaced one after the other; without a choice, what is set is printed.
    """

    async def carry_out(fleet: Fleet) -> InstanceLimits:
        if choice is not None:
            runtime = "" if choice == CARD else choice
            await fleet.set_limits(replace(fleet.limits, runtime=runtime))
            with ProgressLine() as report:
                await fleet.wait_until_converged(report)
        return fleet.limits

    limits = target.run(carry_out)
    if as_json:
        print_json({"runtime": limits.runtime or CARD})
    elif limits.runtime:
        print_line(f"{_RUNTIME_NAMES[limits.runtime]} computes every version that it can.")
    else:
        print_line("Each version is computed by what its card says.")


def _describe(limits: InstanceLimits) -> str:
    memory = format_bytes(limits.memory_limit) if limits.memory_limit else "automatic"
    cores = "any number of cores"
    if limits.cpu_limit:
        cores = "1 core" if limits.cpu_limit == 1 else f"{limits.cpu_limit:g} cores"
    threads = plural(limits.threads, "thread") if limits.threads else "automatic threads"
    if limits.pids_limit:
        threads += f", {plural(limits.pids_limit, 'process or thread', 'processes and threads')}"
    image = limits.image or "chosen automatically"
    sleep = ""
    if limits.sleep_after != DEFAULT_SLEEP_AFTER:
        seconds = limits.sleep_after
        sleep = f" Asleep after {format_duration(seconds)}." if seconds else " Never asleep."
    return f"Memory {memory}, {cores}, {threads}, image {image}.{sleep}"


def _change(
    target: FleetTarget,
    as_json: bool,
    carry_out: Callable[[Fleet, Report], Awaitable[FleetView]],
) -> None:
    async def change(fleet: Fleet) -> FleetView:
        with ProgressLine() as report:
            await carry_out(fleet, report)
        return await fleet.observe()

    _show(target.run(change), as_json)


def _show(view: FleetView, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(view))
        return
    live = "" if view.live_version is None else f" with {view.model} v{view.live_version}"
    print_line(
        f"{view.ready} of {plural(view.desired_count, 'instance')} ready{live}, on {view.engine}."
    )
    if view.instances_and_attached:
        titles = ["INSTANCE", "STATE", "MODELS", "GRPC", "REST", "UP", "CPU", "MEMORY"]
        rows = [_row(instance) for instance in view.instances_and_attached]
        if any(each.instance.node for each in view.instances_and_attached):
            titles.insert(2, "NODE")
            for row, each in zip(rows, view.instances_and_attached, strict=True):
                row.insert(2, each.instance.node or "-")
        print_table(titles, rows)
    for folder in sorted({folder for each in view.instances if (folder := _socket_folder(each))}):
        print_message(f"Sockets are {folder}/INSTANCE.grpc and {folder}/INSTANCE.rest.")
    for model, fault in view.faults.items():
        print_message(f"{view.fault_sentence(model)} {fault.advice}")
    for one in view.attached:
        print_message(f"{one.instance.id} is attached. {attached_sentence(one)}")
    for one in view.instances:
        if one.instance.failure:
            print_message(f"{one.instance.id}: {one.instance.failure}")
        if one.state is InstanceState.FAILED and one.instance.log:
            print_message(f"{one.instance.id}: Its log is kept in {one.instance.log}.")
        for model, reason in one.load_errors.items():
            if reason not in one.instance.failure:
                print_message(f"{one.instance.id} cannot load {model}: {reason}")


def _row(view: InstanceView) -> list[str]:
    instance, stats = view.instance, view.stats
    return [
        instance.id,
        view.state.value,
        ", ".join(f"{model} v{number}" for model, number in view.versions.items()) or "-",
        _address(instance.shown_grpc_address),
        _address(instance.shown_rest_address),
        format_duration(max(0.0, time.time() - instance.started)) if instance.started else "-",
        "-" if stats is None else f"{stats.cpu_percent:.0f}%",
        "-" if stats is None else format_bytes(stats.memory_bytes),
    ]


def _address(address: str | None) -> str:
    """Return an address for a table; of a socket only that it is one, since its path is long."""
    if address is None:
        return "-"
    return address if socket_path(address) is None else "socket"


def _socket_folder(view: InstanceView) -> str:
    """Return the folder of the sockets that an instance listens on; empty if it has none."""
    path = socket_path(view.instance.shown_grpc_address or "")
    return "" if path is None else str(Path(path).parent)


def _as_json(view: FleetView) -> dict[str, Any]:
    return {
        "model": view.model,
        "served": list(view.served.names()),
        "engine": view.engine,
        "engine_reason": view.engine_reason,
        "update": view.update,
        "wanted": view.desired_count,
        "ready": view.ready,
        "live_version": view.live_version,
        "faults": {
            model: {"what": fault.what, "advice": fault.advice}
            for model, fault in view.faults.items()
        },
        "instances": [
            {
                "id": one.instance.id,
                "state": one.state.value,
                "version": one.version,
                "versions": dict(one.versions),
                "grpc_address": one.instance.shown_grpc_address,
                "rest_address": one.instance.shown_rest_address,
                "started": one.instance.started,
                "node": one.instance.node,
                "process": one.instance.process,
                "cpu_percent": None if one.stats is None else one.stats.cpu_percent,
                "memory_bytes": None if one.stats is None else one.stats.memory_bytes,
                "failure": one.instance.failure,
                "log": one.instance.log,
                "load_errors": dict(one.load_errors),
            }
            for one in view.instances
        ],
        "attached": [attached_as_json(one) for one in view.attached],
    }
