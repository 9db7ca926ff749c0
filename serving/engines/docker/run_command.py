"""The `docker run` that creates the same container, for people to copy."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serving.engines.docker import names
from serving.text.shell import joined

_LABELS = (names.WORKSPACE, names.INSTANCE, names.SPEC, names.FOLDER, names.GENERATION)


def run_command(
    name: str,
    config: Mapping[str, Any],
    host: Mapping[str, Any],
    engine: str = "",
    program: str = "docker",
    certificates: Mapping[str, Path] | None = None,
) -> str:
    """Return the command, one option a line.

    `config` and `host` have the form of the API's requests and inspections (see
    `host_config`). `engine` is its address if `program`, which is `docker` or
    `podman`, does not use it by default, and `certificates` are the files of its
    options for TLS. What the image sets anyway is omitted.
    """
    address = ["--url" if program == "podman" else "--host", engine] if engine else []
    tls = [word for option, path in (certificates or {}).items() for word in (option, str(path))]
    verify = ["--tlsverify"] if tls else []
    command = [program, *address, *verify, *tls, "run", "--detach"]
    options = [[option, value] if value else [option] for option, value in _options(config, host)]
    lines = [command, ["--name", name], *options, [str(config["Image"]), *(config["Cmd"] or ())]]
    return " \\\n  ".join(joined(words) for words in lines)


def host_config(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """Return the host configuration that a container was created with.

    Podman reports the mounts that exist instead of those that were requested.
    """
    host = dict(inspected["HostConfig"])
    host["Mounts"] = host.get("Mounts") or [
        {
            "Type": mount["Type"],
            "Source": mount["Name"] if mount["Type"] == "volume" else mount["Source"],
            "Target": mount["Destination"],
            "ReadOnly": not mount["RW"],
        }
        for mount in inspected.get("Mounts") or ()
    ]
    return host


def _options(config: Mapping[str, Any], host: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    labels = config.get("Labels") or {}
    for label in _LABELS:
        if label in labels:
            yield "--label", f"{label}={labels[label]}"
    for port, bindings in (host.get("PortBindings") or {}).items():
        for binding in bindings:
            yield "--publish", f"{binding.get('HostIp') or ''}::{port.removesuffix('/tcp')}"
    for mount in host.get("Mounts") or ():
        yield "--mount", mount_option(mount)
    yield from _limits(host)
    if config.get("User"):
        yield "--user", str(config["User"])
    log = host.get("LogConfig") or {}
    if log.get("Type"):
        yield "--log-driver", str(log["Type"])
        for key, value in (log.get("Config") or {}).items():
            yield "--log-opt", f"{key}={value}"


def _limits(host: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for capability in host.get("CapDrop") or ():
        yield "--cap-drop", capability
    for option in host.get("SecurityOpt") or ():
        yield "--security-opt", option
    if host.get("ReadonlyRootfs"):
        yield "--read-only", ""
    for folder, options in (host.get("Tmpfs") or {}).items():
        yield "--tmpfs", f"{folder}:{options}" if options else folder
    if host.get("Memory"):
        yield "--memory", str(host["Memory"])
        yield "--memory-swap", str(host.get("MemorySwap") or host["Memory"])
    if int(host.get("PidsLimit") or 0) > 0:
        yield "--pids-limit", str(host["PidsLimit"])
    if host.get("NanoCpus"):
        yield "--cpus", f"{host['NanoCpus'] / 1e9:g}"
    if host.get("Init"):
        yield "--init", ""


def mount_option(mount: Mapping[str, Any]) -> str:
    """Return a mount in the form of `--mount`: a line of CSV, since paths may contain commas."""
    fields = [f"type={mount['Type']}"]
    if mount.get("Source"):
        fields.append(f"source={mount['Source']}")
    fields.append(f"target={mount['Target']}")
    if mount.get("ReadOnly"):
        fields.append("ro")
    if size := (mount.get("TmpfsOptions") or {}).get("SizeBytes"):
        fields.append(f"tmpfs-size={size}")
    if (mount.get("VolumeOptions") or {}).get("NoCopy"):
        fields.append("volume-nocopy")
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
