"""/models/{model}/versions/{number}/trust: only the person says that a model is trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.client import BackendRefused
from serving.models.faults import VersionFault
from serving.models.model_folders import duplicate_model
from serving.models.repository import ModelRepository
from serving.models.version_trust import untrusted_parts
from tests.support.backend_env import MODEL, Service
from tests.support.graphs import graph_of, node, write_version, writes_at_load

ANOTHER = 65534


def add_unsafe(repository: ModelRepository, target: Path) -> int:
    """Put a version into the repository that writes a file when it is loaded."""
    number = repository.versions(MODEL)[-1].number + 1
    write_version(repository.root / MODEL / str(number), writes_at_load(target, "harm"))
    return number


async def test_a_version_is_trusted_by_the_person(service: Service, tmp_path: Path) -> None:
    number = add_unsafe(service.repository, tmp_path / "written")
    assert (await service.client.trust(MODEL, number)).unsafe_parts == ["WriteFile"]
    assert (await service.client.trust_version(MODEL, number)).unsafe_parts == []
    assert (await service.client.trust(MODEL, number)).unsafe_parts == []
    assert untrusted_parts(service.repository, MODEL, number) == []
    assert not (tmp_path / "written").exists()


async def test_another_user_cannot_trust_a_version(service: Service, tmp_path: Path) -> None:
    number = add_unsafe(service.repository, tmp_path / "written")
    for owner in (ANOTHER, None):
        service.peer.owner = owner
        with pytest.raises(BackendRefused, match="Only the user who runs Servery") as caught:
            await service.client.trust_version(MODEL, number)
        assert caught.value.status in (401, 403)
    assert untrusted_parts(service.repository, MODEL, number) == ["WriteFile"]


async def test_a_version_that_is_not_there_is_not_trusted(service: Service) -> None:
    with pytest.raises(BackendRefused, match="no version 9") as caught:
        await service.client.trust_version(MODEL, 9)
    assert caught.value.status == 404


async def test_a_version_says_that_it_only_needs_trust(service: Service, tmp_path: Path) -> None:
    number = add_unsafe(service.repository, tmp_path / "written")
    service.repository.record_fault(MODEL, number, VersionFault("It is refused.", "Trust it."))
    (version, *others) = await service.client.versions(MODEL)
    assert version.needs_trust
    assert not any(other.needs_trust for other in others)
    await service.client.trust_version(MODEL, number)
    (version, *_) = await service.client.versions(MODEL)
    assert not version.needs_trust
    assert version.fault == ""


async def test_trust_is_withdrawn_once_and_holds_for_copies(
    service: Service, tmp_path: Path
) -> None:
    number = add_unsafe(service.repository, tmp_path / "written")
    for unknown in (number, 99):
        with pytest.raises(BackendRefused) as caught:
            await service.client.withdraw_trust(MODEL, unknown)
        assert caught.value.status == 404
    await service.client.trust_version(MODEL, number)
    duplicate_model(service.repository, MODEL, "copy")
    assert [each.number for each in await service.client.versions(MODEL) if each.trusted] == [
        number
    ]
    service.peer.owner = ANOTHER
    with pytest.raises(BackendRefused, match="Only the user who runs Servery"):
        await service.client.withdraw_trust(MODEL, number)
    service.peer.owner = os.getuid()
    await service.client.withdraw_trust("copy", number)
    assert untrusted_parts(service.repository, MODEL, number) == ["WriteFile"]
    assert not any(each.trusted for each in await service.client.versions(MODEL))
    with pytest.raises(BackendRefused, match="not one of those that you trusted"):
        await service.client.withdraw_trust(MODEL, number)


async def test_trust_is_not_suggested_where_it_would_not_help(
    service: Service, tmp_path: Path
) -> None:
    number = service.repository.versions(MODEL)[-1].number + 1
    saved = writes_at_load(tmp_path / "written", "harm")
    node(graph_of(saved).node, "Conv9D", "unknown")
    write_version(service.repository.root / MODEL / str(number), saved)
    service.repository.record_fault(MODEL, number, VersionFault("It is refused.", "Go back."))
    (version, *_) = await service.client.versions(MODEL)
    assert not version.needs_trust
    with pytest.raises(BackendRefused, match="does not know, Conv9D"):
        await service.client.trust(MODEL, number)
