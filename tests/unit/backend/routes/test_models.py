"""/models and /health: which versions there are, and which one is live."""

from __future__ import annotations

import pytest

from serving.errors import BackendError
from serving.models.faults import VersionFault
from tests.support.backend_env import Service, add_version, promotions
from tests.support.problems import PROBLEM_FIELDS


async def test_versions_are_listed_newest_first(service: Service) -> None:
    add_version(service.repository)
    (model,) = await service.client.models()
    assert (model.name, model.live_version) == ("farm", 1)
    assert [version.number for version in model.versions] == [2, 1]
    assert [v.live for v in await service.client.versions("farm")] == [False, True]
    assert "cat" in model.versions[0].classes


async def test_promoting_moves_the_live_mark_and_is_remembered(service: Service) -> None:
    add_version(service.repository)
    promoted = await service.client.promote("farm", 2)
    assert promoted.live
    assert service.repository.live("farm").number == 2
    await service.client.promote("farm", 1)
    assert (await service.client.health()).live_version == 1
    assert [version for _, version, *_ in promotions(service.workspace)] == [1, 2]


async def test_a_version_is_live_although_its_promotion_cannot_be_recorded(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def full(*_: object) -> None:
        raise BackendError("The database cannot be written to.", "Make room on the disk.")

    add_version(service.repository)
    monkeypatch.setattr(service.store.runs, "record_decision", full)
    assert (await service.client.promote("farm", 2)).live
    assert (await service.client.health()).live_version == 2
    assert "could not be recorded" in caplog.text


async def test_what_does_not_exist_is_404(service: Service) -> None:
    for method, path in [
        ("POST", "/models/farm/versions/9/promote"),
        ("POST", "/models/other/versions/1/promote"),
        ("GET", "/models/other/versions"),
        ("GET", "/nowhere"),
    ]:
        answer = await service.http.request(method, path)
        assert answer.status_code == 404, path
        assert set(answer.json()) == PROBLEM_FIELDS


async def test_a_version_without_a_card_is_listed_all_the_same(service: Service) -> None:
    number = add_version(service.repository)
    card = service.repository.version("farm", number).path / "assets.extra" / "servery.json"
    card.unlink()
    newest = (await service.client.versions("farm"))[0]
    assert (newest.number, newest.classes, newest.accuracy) == (number, [], None)


async def test_health_says_what_is_missing(service: Service) -> None:
    assert (await service.client.health()).status == "ok"
    service.fleet.ready = 0
    assert "No instance is ready" in (await service.client.health()).status
    service.repository.live_config_path("farm").unlink()
    health = await service.client.health()
    assert health.live_version is None
    assert "No version" in health.status


async def test_readiness_says_why_no_photo_can_be_classified(service: Service) -> None:
    answer = await service.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    fault = VersionFault("Version 2 of farm cannot be served. It is bad.", "Promote another.")
    number = add_version(service.repository)
    service.repository.promote("farm", number)
    service.repository.record_fault("farm", number, fault, fallback=1)
    answer = await service.http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == f"{fault.what} Version 1 answers."
    service.fleet.ready = 0
    answer = await service.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": f"{fault.what} Nothing answers.",
        "advice": "Promote another.",
    }
    service.repository.promote("farm", 1)
    assert "No instance is ready" in (await service.http.get("/readyz")).json()["detail"]
    service.repository.live_config_path("farm").unlink()
    assert "No version" in (await service.http.get("/readyz")).json()["detail"]
