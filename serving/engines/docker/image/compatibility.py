"""Whether an image can run on an engine, before it is pulled or started."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection
from pathlib import Path

from serving.engines.docker.discovery import EngineInfo
from serving.engines.docker.image.lookup import ImageInfo
from serving.errors import EngineError


class IncompatibleImage(EngineError):
    """The image cannot run on this engine or this CPU."""


def check_compatible(
    image: ImageInfo, engine: EngineInfo, features: Collection[str] | None = None
) -> None:
    """Raise IncompatibleImage if the image cannot run on the engine, with what can.

    `features` are those of the engine's CPU, as Linux names them; empty if they
    are not known, None for those of this machine.
    """
    platform = f"{engine.system}/{engine.architecture}"
    if image.platforms and platform not in image.platforms:
        raise IncompatibleImage(
            f"The image {image.name} is made for {' and '.join(sorted(image.platforms))}, and "
            f"{engine.name} runs {platform}.",
            "Build our own image for this machine: `servery image build`.",
        )
    _, _, tag = image.name.rpartition(":")
    if "gpu" in tag.split("-") and "nvidia" not in engine.runtimes:
        raise IncompatibleImage(
            f"The image {image.name} is for graphics processors, and {engine.name} has no "
            "runtime for them.",
            "Install the NVIDIA container toolkit, or choose the image without -gpu.",
        )
    features = cpu_features() if features is None else features
    if engine.architecture == "amd64" and features and "avx" not in features:
        raise IncompatibleImage(
            f"The image {image.name} needs a CPU with AVX, and this one does not have it.",
            "Run instances on a newer machine, or build TensorFlow for this one.",
        )


def cpu_features() -> frozenset[str]:
    """Return the features of this machine's CPU; empty if the system does not list them."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for line in Path("/proc/cpuinfo").read_text().splitlines():
                name, _, value = line.partition(":")
                if name.strip() == "flags":
                    return frozenset(value.split())
    return frozenset()
