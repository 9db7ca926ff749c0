"""/image-builds and the settings of images; what needs an engine is in tests/integration/docker."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from backend.client import BackendRefused
from backend.contract import ImageSettings, NewImage
from serving.access_token import AccessToken
from tests.support.backend_env import MODEL, Service, add_version


async def test_settings_are_kept_and_checked(service: Service) -> None:
    settings = await service.client.image_settings(MODEL)
    assert settings == ImageSettings("{model}:{version}", after_promotion=False, keep=3)
    wanted = ImageSettings("host:5000/{model}:{version}", True, "base:1", True, 5)
    changed = await service.client.set_image_settings(MODEL, wanted)
    assert changed.seen_live == 1  # what is live already gets no image
    assert await service.client.image_settings(MODEL) == changed
    add_version(service.repository)
    assert service.repository.settings(MODEL).keep_versions == 10
    for bad, match in (
        (ImageSettings("{date}"), "stands for nothing"),
        (ImageSettings("BAD"), "cannot be the name"),
        (ImageSettings(keep=0), "At least one image"),
    ):
        with pytest.raises(BackendRefused, match=match) as refused:
            await service.client.set_image_settings(MODEL, bad)
        assert refused.value.status == 400


async def test_what_cannot_be_made_is_refused_at_once(service: Service, tmp_path: Path) -> None:
    async def refused(new: NewImage, status: int, match: str, number: int = 1) -> None:
        with pytest.raises(BackendRefused, match=match) as error:
            await service.client.make_image(MODEL, number, new)
        assert error.value.status == status
        assert error.value.advice

    await refused(NewImage("farm:1"), 404, "has no version 9", 9)
    await refused(NewImage("Farm"), 400, "cannot be the name of an image")
    await refused(NewImage("farm:{day}"), 400, "stands for nothing")
    await refused(NewImage("farm:1", arguments={"A": "b"}), 400, "has no argument A")
    await refused(NewImage("farm:1", save="image.tar"), 400, "not an absolute path")
    await refused(NewImage("farm:1", save=str(tmp_path)), 400, "is a folder")
    await refused(NewImage("farm:1", save=str(tmp_path / "a" / "b")), 400, "There is no folder")
    with pytest.raises(BackendRefused) as unknown:
        await service.client.make_image("nobody", 1, NewImage())
    assert unknown.value.status == 404
    assert await service.client.image_builds() == []
    with pytest.raises(BackendRefused, match="no image build") as missing:
        await service.client.cancel_image("0")
    assert missing.value.status == 404


async def test_files_are_named_on_this_machine_only(service: Service, tmp_path: Path) -> None:
    service.peer.owner = None
    token = AccessToken(service.workspace.token).renew()
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(service.app, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
        for new in ({"save": str(tmp_path / "a.tar")}, {"base": "/tmp/base.tar"}):
            answer = await http.post(
                f"/models/{MODEL}/versions/1/image", json={"tag": "farm:1", **new}, headers=headers
            )
            assert answer.status_code == 403
