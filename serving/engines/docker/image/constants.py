"""Names of the container images that instances can run from."""

from __future__ import annotations

from serving.version import VERSION

OFFICIAL_IMAGE = "tensorflow/serving:2.19.1"
"""TensorFlow Serving as its makers publish it, pinned to one version."""
OWN_IMAGE = f"servery/model-server:{VERSION}"
"""Our own model server behind the same entrypoint, flags and ports; see `build.py`."""
IMAGES = (OFFICIAL_IMAGE, OWN_IMAGE)
"""What an engine runs by default: the first of these that it has."""

STAGE_LABEL = "io.servery.stage"
"""Label of images that only exist during a build, with the build's id."""
IMPORTED_BASES = "servery/base"
"""What bases from tar archives are called while images are built; the tag is the build's id."""
BUILD_TIMEOUT_HOURS = 24
"""No build takes longer: older images of stages and bases are left over from killed ones."""
OWN_LABEL = "io.servery.image"
"""Label of our own image, with the version of Servery that it was built from."""
