"""What tests of OpenVINO share."""

from __future__ import annotations

import pytest

from serving.model_server import openvino_runtime

TIMEOUT_SECONDS = 60.0


def need_openvino() -> None:
    """Skip where OpenVINO is missing; it is not imported here, where nothing keeps it quiet."""
    if not openvino_runtime.is_installed():
        pytest.skip("OpenVINO is not installed.")
