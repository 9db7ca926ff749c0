import pytest

from serving.engines.protocol import Instance, InstanceState
from serving.fleet.view import FleetView, InstanceView

READY, STARTING, FAILED = InstanceState.READY, InstanceState.STARTING, InstanceState.FAILED


def view(*instances: tuple[InstanceState, int | None]) -> FleetView:
    return FleetView(
        "pets",
        "process",
        "",
        2,
        tuple(
            InstanceView(
                Instance(f"pets-{index}", "process", "pets", "", state),
                state,
                version,
                None,
                0,
                0.0,
                None,
            )
            for index, (state, version) in enumerate(instances)
        ),
    )


@pytest.mark.parametrize(
    ("instances", "ready", "live"),
    [
        ([], 0, None),
        ([(STARTING, None), (FAILED, 3)], 0, None),
        ([(READY, 3), (STARTING, 4)], 1, 3),
        ([(READY, 3), (READY, 4)], 2, 3),
        ([(READY, 4), (READY, 3), (READY, 4)], 3, 4),
    ],
)
def test_the_live_version_is_what_most_ready_instances_answer_with(
    instances: list[tuple[InstanceState, int | None]], ready: int, live: int | None
) -> None:
    assert view(*instances).ready == ready
    assert view(*instances).live_version == live
