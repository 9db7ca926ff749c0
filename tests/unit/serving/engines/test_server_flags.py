"""The flags of a model server follow from the spec of its instance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from serving.engines.protocol import InstanceSpec
from serving.engines.server_flags import own_server_flags
from serving.model_server.flags import parse

SPEC = InstanceSpec(Path("/models/serving.config"))


def test_a_runtime_that_is_set_is_a_flag_and_another_spec() -> None:
    flags, _ = parse(own_server_flags(SPEC))
    assert flags.runtime == "auto"
    on_tensorflow = replace(SPEC, runtime="tensorflow")
    flags, _ = parse(own_server_flags(on_tensorflow))
    assert flags.runtime == "tensorflow"
    assert on_tensorflow.hash != SPEC.hash
