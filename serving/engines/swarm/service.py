"""How the service of a workspace is made, changed and removed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import docker.errors
from docker import APIClient
from docker.utils import version_gte

from serving.engines.docker import names
from serving.engines.docker.container import (
    ContainerPlan,
    default_memory,
    default_pids,
    threads_per_instance,
)
from serving.engines.docker.container_user import container_user
from serving.engines.docker.discovery import EngineInfo, FoundEngine
from serving.engines.docker.image.compatibility import check_compatible
from serving.engines.docker.image.lookup import ImageInfo, first_present, image_missing
from serving.engines.docker.model_image.check import check_baked
from serving.engines.docker.model_image.tag import split_tag
from serving.engines.protocol import InstanceSpec
from serving.engines.swarm.placement import PlacedNode, read_nodes
from serving.engines.swarm.service_spec import (
    container_labels,
    endpoint_spec,
    replicas,
    rollback_config,
    service_labels,
    service_name,
    task_template,
    update_config,
)
from serving.engines.swarm.service_state import replica_count
from serving.errors import EngineError
from serving.workspace import Workspace

MAX_ATTEMPTS = 20
"""A change is refused if another program was quicker, and then made again."""
NO_NEW_PRIVILEGES_API = "1.46"
_OUT_OF_SEQUENCE = "out of sequence"

Row = Mapping[str, Any]


def find_service(client: APIClient, workspace: Workspace) -> Row | None:
    """Return the service of a workspace as the API has it; None without one."""
    label = f"{names.WORKSPACE}={names.workspace_id(workspace)}"
    list_services: Callable[..., Sequence[Row]] = client.services
    rows = list_services(filters={"label": [label]})
    return rows[0] if rows else None


def list_nodes(client: APIClient) -> dict[str, PlacedNode]:
    """Return the machines of the swarm, by their ids."""
    return read_nodes(client.nodes())


def apply_spec(
    found: FoundEngine,
    workspace: Workspace,
    images: Sequence[str],
    spec: InstanceSpec,
    count: int,
    *,
    restart: bool,
) -> None:
    """Have the swarm keep `count` instances of a spec; raises EngineError."""

    def change(row: Row | None) -> None:
        if row is None:
            _create(found, workspace, images, spec, count)
            return
        current = row["Spec"]
        template = dict(current["TaskTemplate"])
        is_other = (current.get("Labels") or {}).get(names.SPEC) != spec.hash
        if is_other:
            forced = int(template.get("ForceUpdate") or 0)
            template = _template(found, workspace, images, spec, count, forced)
        if restart and not is_other:
            template["ForceUpdate"] = int(template.get("ForceUpdate") or 0) + 1
        if is_other or restart or replica_count(current) != count:
            _update(found.client, row, template, spec.hash, workspace, count)

    _change(found.client, workspace, change)


def change_count(client: APIClient, workspace: Workspace, by: int) -> None:
    """Have the swarm keep more or fewer instances of the spec that they have."""

    def change(row: Row | None) -> None:
        if row is None:
            return
        spec = row["Spec"]
        count = max(0, replica_count(spec) + by)
        if count:
            spec_hash = str((spec.get("Labels") or {}).get(names.SPEC, ""))
            _update(client, row, dict(spec["TaskTemplate"]), spec_hash, workspace, count)
        else:
            _remove(client, row)

    _change(client, workspace, change)


def end_service(client: APIClient, workspace: Workspace, *, has_instances: bool) -> None:
    """End every instance, and remove the service once it has none."""

    def change(row: Row | None) -> None:
        if row is None:
            return
        if not has_instances:
            _remove(client, row)
        elif replica_count(row["Spec"]):
            spec_hash = str((row["Spec"].get("Labels") or {}).get(names.SPEC, ""))
            _update(client, row, dict(row["Spec"]["TaskTemplate"]), spec_hash, workspace, 0)

    _change(client, workspace, change)


def _change(client: APIClient, workspace: Workspace, change: Callable[[Row | None], None]) -> None:
    """Carry out a change of the service as it is now, again if somebody else was quicker."""
    attempts = MAX_ATTEMPTS
    while True:
        attempts -= 1
        try:
            return change(find_service(client, workspace))
        except docker.errors.NotFound:
            if not attempts:
                raise
        except docker.errors.APIError as error:
            is_conflict = error.status_code == 409 or _OUT_OF_SEQUENCE in str(error.explanation)
            if not attempts or not is_conflict:
                raise


def _remove(client: APIClient, row: Row) -> None:
    remove: Callable[[str], object] = client.remove_service
    remove(str(row["ID"]))


def _create(
    found: FoundEngine, workspace: Workspace, images: Sequence[str], spec: InstanceSpec, count: int
) -> None:
    create: Callable[..., object] = found.client.create_service
    create(
        _template(found, workspace, images, spec, count, 0),
        name=service_name(workspace),
        labels=service_labels(workspace, spec.hash),
        mode=replicas(count),
        update_config=update_config(count),
        rollback_config=rollback_config(count),
        endpoint_spec=endpoint_spec(),
    )


def _update(
    client: APIClient,
    row: Row,
    template: dict[str, Any],
    spec_hash: str,
    workspace: Workspace,
    count: int,
) -> None:
    update: Callable[..., object] = client.update_service
    update(
        row["ID"],
        row["Version"]["Index"],
        task_template=template,
        name=service_name(workspace),
        labels=service_labels(workspace, spec_hash),
        mode=replicas(count),
        update_config=update_config(count),
        rollback_config=rollback_config(count),
        endpoint_spec=endpoint_spec(),
    )


def _template(
    found: FoundEngine,
    workspace: Workspace,
    images: Sequence[str],
    spec: InstanceSpec,
    count: int,
    forced: int,
) -> dict[str, Any]:
    if not spec.config_file.is_file():
        raise EngineError(
            f"There is no file {spec.config_file}, so no model is served.",
            "Choose a model on the Models page, or with `servery models use`.",
        )
    client, info = found.client, found.info
    candidates = [spec.image] if spec.image else images
    image = first_present(client, candidates)
    if image is None:
        raise image_missing(candidates)
    check_compatible(image, info, found.cpu_features)
    check_baked(image, spec)
    nodes = _usable_nodes(client)
    memory, pids = _defaults(nodes, info)
    on_one_node = math.ceil(count / len(nodes))
    folder = spec.config_file.parent
    plan = ContainerPlan(
        image=_pinned(client, image),
        labels=container_labels(workspace, spec.hash),
        threads=threads_per_instance(spec, min(node.cores for node in nodes), on_one_node),
        # Everybody may read what is in an image of a model, so its own user can.
        user="" if image.baked is not None else container_user(folder, rootless=info.rootless),
        own=image.own,
        init=info.init and not image.own,
        default_memory=memory,
        default_pids=pids,
        baked=image.baked,
    )
    return task_template(
        spec,
        plan,
        forced=forced,
        no_new_privileges=bool(version_gte(client.api_version, NO_NEW_PRIVILEGES_API)),
    )


def default_limits(found: FoundEngine) -> tuple[int, int]:
    """Return the memory in bytes, and the processes and threads, if a person sets no limit.

    They suit the smallest node, since an instance may come to run on any. 0 is no limit.
    """
    return _defaults(_usable_nodes(found.client), found.info)


def _defaults(nodes: Sequence[PlacedNode], info: EngineInfo) -> tuple[int, int]:
    memory = min(node.memory for node in nodes)
    smallest = replace(info, memory=memory, cores=min(node.cores for node in nodes))
    return default_memory(smallest), default_pids(smallest)


def _usable_nodes(client: APIClient) -> list[PlacedNode]:
    """Return the nodes that take tasks, at least one; raises EngineError."""
    nodes = [node for node in list_nodes(client).values() if node.takes_tasks]
    if not nodes:
        raise EngineError(
            "No node of the swarm takes instances.",
            "Look at the nodes: they are down, drained or paused.",
        )
    return nodes


def _pinned(client: APIClient, image: ImageInfo) -> str:
    """Return the image by its digest at the registry, so that every node runs the same one.

    An image that came from no registry has none: it is run by its name, from what each node has.
    """
    inspect: Callable[[str], Row] = client.inspect_image
    repository, _ = split_tag(image.name)
    for digest in inspect(image.name).get("RepoDigests") or ():
        if str(digest).partition("@")[0] == repository:
            return f"{image.name}@{str(digest).partition('@')[2]}"
    return image.name
