"""Which versions should be served, and the steps towards that."""

from __future__ import annotations

import pytest
from google.protobuf import text_format

from serving.model_server.versions import (
    All,
    Latest,
    Policy,
    Specific,
    VersionState,
    VersionSteps,
    aspired_versions,
    next_steps,
    policy_from_proto,
    version_folders,
)
from serving.tf.messages import model_server_config_pb2

START, LOADING, AVAILABLE, UNLOADING, END = VersionState


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1", "2"], {1: "1", 2: "2"}),
        (["00000123"], {123: "00000123"}),
        (["01", "1"], {1: "01"}),
        (["", "x", "1.5", "-1", "1a", "tmp", ".staging-1"], {}),
        (["9223372036854775807", "9223372036854775808"], {2**63 - 1: "9223372036854775807"}),
        (["٣"], {}),
    ],
)
def test_folders_named_by_a_number_are_versions(names: list[str], expected: dict[int, str]) -> None:
    assert version_folders(names) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Latest(1)),
        ("latest {}", Latest(1)),
        ("latest { num_versions: 3 }", Latest(3)),
        ("all {}", All()),
        ("specific { versions: 4 versions: 2 }", Specific(frozenset({2, 4}))),
    ],
)
def test_policy_from_proto(text: str, expected: Policy) -> None:
    proto = model_server_config_pb2.ModelConfig().model_version_policy
    text_format.Parse(text, proto)
    assert policy_from_proto(proto) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Latest(1), {9}),
        (Latest(2), {9, 5}),
        (Latest(9), {9, 5, 1}),
        (All(), {9, 5, 1}),
        (Specific(frozenset({1, 7})), {1}),
    ],
)
def test_the_policy_chooses_the_versions(policy: Policy, expected: set[int]) -> None:
    assert aspired_versions(policy, [1, 5, 9]) == expected
    assert aspired_versions(policy, []) == set()


@pytest.mark.parametrize(
    ("aspired", "states", "expected"),
    [
        ({1}, {}, VersionSteps(load=(1,))),
        ({1, 2, 3}, {}, VersionSteps(load=(3, 2, 1))),
        ({1}, {1: AVAILABLE}, VersionSteps()),
        ({2}, {1: AVAILABLE}, VersionSteps(load=(2,))),
        ({2}, {1: AVAILABLE, 2: LOADING}, VersionSteps()),
        ({2}, {1: AVAILABLE, 2: AVAILABLE}, VersionSteps(unload=(1,))),
        ({2}, {1: AVAILABLE, 2: END}, VersionSteps()),
        (set(), {1: AVAILABLE, 2: AVAILABLE}, VersionSteps(unload=(1, 2))),
        (set(), {1: AVAILABLE, 2: LOADING}, VersionSteps(unload=(1,), cancel=(2,))),
        ({3}, {1: AVAILABLE, 2: LOADING}, VersionSteps(load=(3,), cancel=(2,))),
        ({2, 3}, {1: AVAILABLE, 2: AVAILABLE}, VersionSteps(load=(3,), unload=(1,))),
        ({1}, {1: UNLOADING}, VersionSteps()),
        ({1}, {1: START}, VersionSteps()),
        (set(), {1: END, 2: UNLOADING}, VersionSteps()),
    ],
)
def test_next_steps(
    aspired: set[int], states: dict[int, VersionState], expected: VersionSteps
) -> None:
    assert next_steps(aspired, states) == expected
