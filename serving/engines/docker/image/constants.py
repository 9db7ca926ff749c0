"""The container images that instances can run from."""

from __future__ import annotations

from serving.version import VERSION

OFFICIAL_IMAGE = "tensorflow/serving:2.19.1"
"""TensorFlow Serving as its makers publish it, pinned to one version."""
OWN_IMAGE = f"servery/model-server:{VERSION}"
"""Our own model server behind the same entrypoint, flags and ports; `build.py` makes it."""
IMAGES = (OFFICIAL_IMAGE, OWN_IMAGE)
"""What an engine runs that is not told otherwise: the first that it has."""

GRPC_PORT = 8500
REST_PORT = 8501
"""Where a server in a container of either image listens."""

STAGE_LABEL = "io.servery.stage"
"""Label of images that are only built upon, and go when the build is done."""
OWN_LABEL = "io.servery.image"
"""Label of our own image, with the version of Servery that it was built from."""
