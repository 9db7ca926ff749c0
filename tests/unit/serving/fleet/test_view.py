import pytest

from serving.engines.protocol import Instance, InstanceState
from serving.fleet.view import FleetView, InstanceView
from serving.models.served import ServedModels

READY, STARTING, FAILED = InstanceState.READY, InstanceState.STARTING, InstanceState.FAILED


def view(*instances: tuple[InstanceState, int | None]) -> FleetView:
    return FleetView(
        ServedModels("pets", ("birds",)),
        "process",
        "",
        2,
        tuple(
            InstanceView(
                Instance(f"instance-{index}", "process", "", state),
                state,
                "pets",
                {} if version is None else {"pets": version},
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


@pytest.mark.parametrize(
    ("instances", "model", "version", "loaded"),
    [
        ([], "pets", None, True),
        ([(STARTING, None), (FAILED, None)], "pets", 3, True),
        ([(READY, 3), (STARTING, None)], "pets", 3, True),
        ([(READY, 3), (READY, 4)], "pets", None, True),
        ([(READY, 3), (READY, 4)], "pets", 4, False),
        ([(READY, 3)], "birds", None, False),
    ],
)
def test_a_model_is_loaded_everywhere_if_every_ready_instance_has_it(
    instances: list[tuple[InstanceState, int | None]],
    model: str,
    version: int | None,
    loaded: bool,
) -> None:
    assert view(*instances).loaded_everywhere(model, version) is loaded
