"""Whether an image can run on an engine, before it is pulled or started."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from serving.engines.docker.discovery import EngineInfo
from serving.engines.docker.image.lookup import ImageInfo
from serving.errors import EngineError


class IncompatibleImage(EngineError):
    """The image cannot run on this engine or this processor."""


def check_compatible(
    image: ImageInfo, engine: EngineInfo, features: Collection[str] | None = None
) -> None:
    """Raise ImageUnfit where the image cannot run here, saying what can.

    `features` are the processor's, as Linux names them, empty where they are not
    known; those of this machine unless given.
    """
    platforms = [platform for platform in image.platforms if platform]
    wanted = f"{engine.system}/{engine.architecture}"
    if platforms and wanted not in platforms:
        raise IncompatibleImage(
            f"The image {image.name} is made for {' and '.join(sorted(platforms))}, and "
            f"{engine.name} runs {wanted}.",
            "Build our own image for this machine: servery image build.",
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
            f"The image {image.name} needs a processor with AVX, and this one has none.",
            "Run instances on a newer machine, or build TensorFlow for this one.",
        )


def cpu_features() -> frozenset[str]:
    """Return the features of this machine's processor; none where they are not told."""
    if sys.platform != "linux":
        return frozenset()
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()
