"""/catalogue: what can be downloaded is listed, and downloads are imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.client import BackendRefused
from backend.contract import ImportState
from serving.catalogue.models import catalogue_models
from tests.support.backend_env import Service
from tests.support.mirror import mirror
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def no_keras_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


async def ended_state(service: Service, number: str) -> bool:
    return (await service.client.model_import(number)).state.finished


async def test_models_are_listed_with_what_a_person_chooses_by(service: Service) -> None:
    listed = await service.client.catalogue()
    assert [model.name for model in listed] == [model.name for model in catalogue_models()]
    assert not any(model.installed for model in listed)
    for model in listed:
        assert model.title
        assert model.description
        assert model.licence
        assert model.size_bytes > 10_000_000
        assert 0.5 < model.accuracy < 0.9


async def test_there_must_be_such_a_model(service: Service) -> None:
    with pytest.raises(BackendRefused, match="no model called nothing") as caught:
        await service.client.download_model("nothing")
    assert caught.value.status == 404
    assert "`servery models add`" in caught.value.advice


async def test_a_download_that_fails_says_why(service: Service) -> None:
    with mirror() as server:
        started = await service.client.download_model("resnet50", server.url)
        await wait_until(lambda: ended_state(service, started.id))
        ended = await service.client.model_import(started.id)
    assert ended.state is ImportState.FAILED
    assert "answered 404" in ended.error
    assert "SERVERY_MODEL_MIRROR" in ended.advice
    assert "resnet50" not in service.repository.models()


async def test_a_download_is_cancelled_and_keeps_what_came(service: Service) -> None:
    with mirror() as server:
        server.files["/resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5"] = b"x" * 300_000
        server.stalls_after = 100_000
        started = await service.client.download_model("resnet50", server.url)
        folder = service.workspace.downloads

        def came() -> bool:
            return any(path.stat().st_size == 100_000 for path in folder.glob("*.partial"))

        await wait_until(came)
        # Meanwhile the name is taken.
        with pytest.raises(BackendRefused, match="called resnet50 already"):
            await service.client.download_model("resnet50", server.url)
        ended = await service.client.cancel_model_import(started.id)
    assert ended.state is ImportState.CANCELLED
    assert came()
    assert "resnet50" not in service.repository.models()
