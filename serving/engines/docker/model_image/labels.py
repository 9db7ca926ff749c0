"""Labels of images that hold a version of a model.

A container inherits the labels of its image, so none of them is one by which a fleet knows its
instances (see `serving/engines/docker/names.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MODEL = "io.servery.model"
VERSION = "io.servery.model.version"
DIGEST = "io.servery.model.digest"
"""`serving.tf.trust.version_digest` of the version: what identifies it by its content."""
UNSAFE = "io.servery.model.unsafe"
"""What in the model can do more than compute; only of a version that a person trusts."""
TAG = "io.servery.model.tag"
"""The name that the image was built under."""
WORKSPACE = "io.servery.model.workspace"
"""The workspace that it was built from: `names.workspace_id`."""
BUILD = "io.servery.model.build"
"""The id of the build; the first thing in the image, so that a cancelled build is known by it."""

BAKED_MODELS = "/models"
"""The folder of the models in such an image, as in the official one."""
BAKED_MONITORING = "/etc/servery/monitoring.config"
"""What lets its server count requests, for a fleet."""


@dataclass(frozen=True)
class BakedModel:
    """The version of a model that an image serves."""

    model: str
    version: int
    digest: str
    unsafe: str = ""
    """What in it can do more than compute, separated by commas; empty if nothing can."""

    @classmethod
    def read(cls, labels: Mapping[str, str]) -> BakedModel | None:
        """Return what an image's labels say; None if it holds no version of a model."""
        model, version = labels.get(MODEL), labels.get(VERSION, "")
        if not model or not (version.isascii() and version.isdigit()):
            return None
        return cls(model, int(version), labels.get(DIGEST, ""), labels.get(UNSAFE, ""))
