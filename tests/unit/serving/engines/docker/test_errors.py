"""What the container engine says is a sentence, with what can be done about it."""

from __future__ import annotations

import pytest
from docker.errors import APIError

from serving.engines.docker.errors import translate_errors
from serving.errors import EngineError


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("mkdir /var/lib/docker/overlay2/1a: no space left on device", "docker system df"),
        (
            "Error processing tar file(exit status 1): write /b: no space left on device",
            "Make room",
        ),
        ("mkdir /var/lib/docker/tmp: read-only file system", "writable"),
        ("No space is reserved for this name", "the engine's own log"),
    ],
)
def test_a_disk_of_the_engine_that_refuses_is_named(message: str, advice: str) -> None:
    with pytest.raises(EngineError) as raised, translate_errors("build the image", "unix:///d"):
        raise APIError("500 Server Error", explanation=message)
    assert raised.value.what == f"The container engine could not build the image: {message}."
    assert advice in raised.value.advice
