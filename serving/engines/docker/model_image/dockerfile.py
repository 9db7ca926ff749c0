"""The Dockerfile of a version's image: the server of the base, and the version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from serving.engines.docker.model_image.contents import CHECKSUMS, HEALTH, folder_of
from serving.engines.docker.model_image.labels import BAKED_MODELS

RUN_AS = "65532:65532"
"""User and group that the server runs as: nobody's, and enough to read the model."""

_TEMPLATE = Path(__file__).with_name("Dockerfile.in")


def dockerfile(
    model: str, version: int, labels: Mapping[str, str], user: str = RUN_AS, base_user: str = ""
) -> str:
    """Return the Dockerfile of the image of a version; `labels` are those of the image.

    `base_user` is the user that the base names.
    """
    return _TEMPLATE.read_text().format(
        version=_in_shell(folder_of(model, version)),
        checksums=CHECKSUMS,
        health=HEALTH,
        labels=" ".join(_pair(name, value) for name, value in labels.items()),
        model=_quoted(model),
        models=BAKED_MODELS,
        user="" if user == base_user else f"USER {user}\n",
    )


def _pair(name: str, value: str) -> str:
    return f"{name}={_quoted(value)}"


def _quoted(text: str) -> str:
    """Return text as a Dockerfile has it between quotes: on one line, and nothing is expanded."""
    line = " ".join(text.split())
    return '"' + re.sub(r'(["\\$])', r"\\\1", line) + '"'


def _in_shell(path: str) -> str:
    """Return a path as the shell of a RUN instruction takes it."""
    return "'" + path.replace("'", "'\\''") + "'"
