"""What a registry answers to a push, and what a person can do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from docker import auth

from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.errors import disk_advice
from serving.engines.docker.image.transfer import Transfer
from serving.engines.docker.model_image.tag import registry_of, split_tag
from serving.errors import EngineError

_PROGRESS = ("Pushing", "Preparing", "Waiting")
"""States of a layer that are repeated while it is sent."""


def push_request(found: FoundEngine, name: str) -> Transfer:
    """Return the request that pushes an image, with what `docker login` has stored."""
    repository, tag = split_tag(name)
    registry, _ = auth.resolve_repository_name(repository)
    # Read again: a person may have logged in since the engine was found.
    stored = auth.load_config(credstore_env=found.client.credstore_env)
    credentials = stored.resolve_authconfig(registry) or {}
    headers = {"X-Registry-Auth": auth.encode_header(credentials).decode()}
    return Transfer(found, f"/images/{repository}/push", {"tag": tag}, (), headers)


class PushAnswers:
    """Passes on what the registry says of each layer, once, and keeps the digest at the end."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self.digest = ""
        self._on_line = on_line
        self._said: dict[str, str] = {}

    def add(self, message: Mapping[str, Any]) -> None:
        aux = message.get("aux") or {}
        self.digest = str(aux.get("Digest") or self.digest)
        layer, status = str(message.get("id") or ""), str(message.get("status") or "").strip()
        if not status or status == self._said.get(layer):
            return
        self._said[layer] = status
        if self._on_line is not None and status not in _PROGRESS:
            self._on_line(f"{layer}: {status}" if layer else status)


def push_refused(name: str, error: EngineError) -> EngineError:
    """Return the error of a push with the registry's own words, and what to do about them."""
    registry = registry_of(name)
    answer = error.what.partition(f"could not push {name}: ")[2] or error.what
    answer = f"{' '.join(answer.split()).removesuffix('.')}."
    advice = next(
        (advice for words, advice in _ADVICE if re.search(words, answer, re.IGNORECASE)),
        "The image is complete on this machine: look into what the registry says, and push it"
        " again with `docker push {name}`.",
    )
    return EngineError(
        f"The registry {registry} did not take the image {name}: {answer}",
        disk_advice(answer) or advice.format(registry=registry, name=name),
    )


_ADVICE = (
    (
        r"no such host|server misbehaving|name resolution",
        "Check the name of the registry, which is the first part of the tag, and that this"
        " machine is online.",
    ),
    (
        r"unauthori[sz]ed|no basic auth credentials|authentication required",
        "Log in with `docker login {registry}`, then try again.",
    ),
    (
        r"denied|forbidden",
        "Log in with `docker login {registry}` as somebody who may write there, or choose a tag"
        " with a name of your own.",
    ),
    (
        r"connection refused|no route to host|timeout|deadline|canceled while waiting|unreachable",
        "Check that the registry runs and can be reached from the container engine, then try"
        " again; layers that it has are not sent again.",
    ),
    (
        r"HTTP response to HTTPS client|x509|certificate",
        "The engine trusts registries by their certificate: install the registry's, or list"
        " {registry} under insecure-registries in the engine's daemon.json.",
    ),
)
"""By what registries and engines say; the first that fits."""
