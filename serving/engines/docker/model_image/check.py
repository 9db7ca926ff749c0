"""Whether an image holds what a fleet was set to run from it."""

from __future__ import annotations

from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.docker.model_image.labels import BakedModel
from serving.engines.protocol import InstanceSpec
from serving.errors import EngineError
from serving.models.fleet_image import FleetImage
from serving.tf.trust import TRUSTED_NAME, read_trusted


def check_baked(image: ImageInfo, spec: InstanceSpec) -> None:
    """Raise EngineError unless the image holds what the fleet was set to, and may be run."""
    baked = image.baked
    holds = "" if baked is None else FleetImage(image.name, *_facts(baked)).mark
    if holds != spec.baked:
        what = "no model" if baked is None else f"version {baked.version} of {baked.model}"
        raise EngineError(
            f"The image {image.name} holds {what} now, which is not what the fleet was set to run.",
            "Set the image again: `servery fleet limit --image`, with its name.",
        )
    if baked is not None and baked.unsafe:
        listed = read_trusted(spec.config_file.parent / TRUSTED_NAME)
        if baked.digest not in listed:
            raise EngineError(
                f"The model in the image {image.name} can do more than compute ({baked.unsafe}),"
                " and it is not trusted any more.",
                "Trust it (`servery models trust`), or run the fleet from another image.",
            )


def _facts(baked: BakedModel) -> tuple[str, int, str]:
    return baked.model, baked.version, baked.digest
