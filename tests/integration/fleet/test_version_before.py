"""A fleet that the version before left running is adopted: its files are copied here."""

from __future__ import annotations

import asyncio
import hashlib
import json

from serving.background import in_background
from serving.engines.instance_records import read_instance_record
from serving.engines.protocol import InstanceSpec, InstanceState
from serving.fleet.fleet import FleetView
from serving.fleet.record import InstanceLimits
from tests.support.fleet_env import MODEL, PROGRAM, FleetEnv
from tests.support.load_generator import LoadGenerator

FLEET = """{
  "wanted": 1,
  "retiring": [
    "pets-0a1b2c"
  ],
  "failures": [
    1732600000.5
  ],
  "limits": {
    "threads": 2,
    "memory_limit": 0,
    "cpu_limit": 0.0,
    "image": ""
  }
}
"""
SPEC = """{
    "model": "pets",
    "config_file": "CONFIG",
    "threads": 2,
    "memory_limit": 0,
    "cpu_limit": 0.0,
    "image": ""
  }"""
INSTANCE = """{
  "id": "pets-6fabbc",
  "model": "pets",
  "spec": SPEC,
  "spec_hash": "HASH",
  "started": 1732600001.6461103,
  "log": "ROOT/logs/pets-6fabbc.log",
  "command": COMMAND,
  "process": PROCESS,
  "stopping": false,
  "ended": ""
}
"""


async def start_as_before(fleet_env: FleetEnv) -> asyncio.subprocess.Process:
    """Start an instance and write its files as the version before did."""
    root = fleet_env.workspace.root
    config = str(fleet_env.repository.live_config_path(MODEL).resolve())
    command = [
        *PROGRAM,
        *("--port=0", "--rest_api_port=0", f"--model_config_file={config}"),
        f"--ports_file={root}/run/instances/pets-6fabbc.ports",
    ]
    process = await asyncio.create_subprocess_exec(*command, cwd=root)
    spec = SPEC.replace("CONFIG", config)
    canonical = json.dumps(json.loads(spec), sort_keys=True)
    filled = {
        "SPEC": spec,
        "HASH": hashlib.sha256(canonical.encode()).hexdigest()[:12],
        "ROOT": str(root),
        "COMMAND": json.dumps(command),
        "PROCESS": str(process.pid),
    }
    text = INSTANCE
    for word, value in filled.items():
        text = text.replace(word, value)
    (root / "run" / "instances" / "pets-6fabbc.json").write_text(text)
    (root / "logs" / "pets-6fabbc.log").write_text("of the version before\n")
    folder = root / "fleet"
    folder.mkdir()
    (folder / "pets.json").write_text(FLEET)
    return process


def ids(view: FleetView) -> list[str]:
    return [each.instance.id for each in view.instances]


async def replaced_under_load(fleet_env: FleetEnv) -> FleetView:
    """Run the fleet until another instance has taken the place of the former one.

    No request fails meanwhile, and one instance is ready all the time.
    """
    fewest: list[int] = []
    fleet_env.fleet.subscribe(lambda view: fewest.append(view.ready))
    async with fleet_env.running(), LoadGenerator(fleet_env.client, b"x", 4) as load:
        view = await fleet_env.wait_for_view(
            lambda view: view.ready == 1 and "pets-6fabbc" not in ids(view)
        )
        await load.wait_for_answers(ids(view)[0])
    assert load.failures == []
    assert min(fewest) == 1
    return view


async def test_a_fleet_of_the_version_before_is_adopted_and_loses_nothing(
    fleet_env: FleetEnv,
) -> None:
    process = await start_as_before(fleet_env)
    fleet = fleet_env.new_fleet(fleet_env.client)
    assert fleet.configured
    assert fleet.view.desired_count == 1
    assert fleet.limits == InstanceLimits(threads=2)
    fleet_env.fleet = fleet
    async with in_background(fleet.watch()):
        view = await fleet_env.wait_for_view(lambda view: view.ready == 1)
    assert ids(view) == ["pets-6fabbc"]
    assert await fleet.engine_of("pets-6fabbc").logs("pets-6fabbc") == "of the version before"
    # It does not know of the file that says what all models are: another one takes its place.
    await replaced_under_load(fleet_env)
    await process.wait()
    await fleet.scale(2)
    record = json.loads((fleet_env.workspace.root / "fleet" / "fleet.json").read_text())
    assert (record["wanted"], record["limits"]["threads"]) == (2, 2)


async def test_an_instance_that_anybody_could_configure_is_replaced_though_its_spec_is_the_same(
    fleet_env: FleetEnv,
) -> None:
    process = await start_as_before(fleet_env)
    path = fleet_env.workspace.instances / "pets-6fabbc.json"
    record = json.loads(path.read_text())
    config = fleet_env.repository.config_path.resolve()
    path.write_text(json.dumps({**record, "spec_hash": InstanceSpec(config, threads=2).hash}))
    fleet_env.fleet = fleet_env.new_fleet(fleet_env.client)
    async with in_background(fleet_env.fleet.watch()):
        view = await fleet_env.wait_for_view(lambda view: view.ready == 1)
    assert ids(view) == ["pets-6fabbc"]
    assert fleet_env.fleet.has_outdated(view)
    view = await replaced_under_load(fleet_env)
    await process.wait()
    address = view.instances[0].instance.grpc_address
    assert address is not None
    assert address.startswith("unix:")


async def test_the_models_of_the_version_before_are_served_without_being_promoted_again(
    fleet_env: FleetEnv,
) -> None:
    for path in (fleet_env.repository.config_path, fleet_env.workspace.models / "served.json"):
        path.unlink()
    assert (await fleet_env.fleet.scale(1)).ready == 1
    assert fleet_env.fleet.view.model == MODEL
    assert fleet_env.repository.config_path.is_file()


async def test_an_exited_instance_of_the_version_before_shows_its_exit_reason(
    fleet_env: FleetEnv,
) -> None:
    folder = fleet_env.workspace.instances
    text = INSTANCE.replace("SPEC,", "{},").replace("COMMAND", "[]").replace("PROCESS", "4194305")
    text = text.replace('"ended": ""', '"ended": "The process ended with exit status 3."')
    text = text.replace("ROOT", str(fleet_env.workspace.root))
    (folder / "pets-6fabbc.json").write_text(text)
    (instance,) = await fleet_env.engine.instances()
    assert instance.state is InstanceState.FAILED
    assert instance.failure == "The process ended with exit status 3."
    record = read_instance_record(folder, "pets-6fabbc")
    assert record is not None
    record.write(folder)
    again = json.loads((folder / "pets-6fabbc.json").read_text())
    before = json.loads(text)
    assert before.pop("model") == "pets"
    assert again == before
