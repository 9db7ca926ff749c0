"""An API answers what goes on without a trainer, and hands over everything else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from backend.client import BackendClient, BackendRefused
from backend.contract import RunState, TrainingRun, TrainingSettings
from backend.trainer_proxy import TrainerLink, is_answered_here
from serving.access_token import AccessToken
from serving.workspace import Workspace
from tests.support.backend_env import (
    MODEL,
    URL,
    BackendEnv,
    Service,
    add_version,
    open_backend_env,
    write_worker,
)
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

CHANGED_HERE = {
    *(("POST", path) for path in ("/classify", "/labels", "/labels/batch", "/pool")),
    ("DELETE", "/labels/{label_id}"),
    ("DELETE", "/labels/actions/{action}"),
}
"""All that an API does itself besides showing things."""


class Asked(httpx.AsyncBaseTransport):
    """The way to the trainer: keeps what was asked of it, and may be cut."""

    def __init__(self, service: Service) -> None:
        self._trainer = httpx.ASGITransport(service.app)
        self.requests: list[httpx.Request] = []
        self.failure: Exception | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        return await self._trainer.handle_async_request(request)


@dataclass
class Api:
    env: BackendEnv
    http: httpx.AsyncClient
    client: BackendClient
    asked: Asked


@asynccontextmanager
async def open_api(
    workspace: Workspace, worker: Path, database: str, link: TrainerLink, asked: Asked
) -> AsyncIterator[Api]:
    async with open_backend_env(workspace, worker, database, link) as env:
        transport = httpx.ASGITransport(env.app, raise_app_exceptions=False)
        async with (
            httpx.AsyncClient(transport=transport, base_url=URL) as http,
            BackendClient(URL, transport=transport) as client,
        ):
            yield Api(env, http, client, asked)


@pytest.fixture
async def api(service: Service, workspace: Workspace, worker_script: Path) -> AsyncIterator[Api]:
    """An API beside the trainer `service`, with the same workspace and database."""
    token = AccessToken(workspace.token)
    token.renew()
    asked = Asked(service)
    link = TrainerLink("http://trainer:8080", token, asked)
    async with open_api(workspace, worker_script, service.database, link, asked) as api:
        yield api


async def test_labels_and_photos_need_no_trainer(api: Api, service: Service) -> None:
    api.asked.failure = AssertionError("it was asked")
    label = await api.client.label(image_bytes(), "zebra")
    assert (await api.client.classify(image_bytes())).model == MODEL
    assert (await api.client.labels()).total == 1
    await api.client.add_to_pool(image_bytes("red"))
    assert (await service.client.labels()).total == 1
    await api.client.undo_label(label.id)
    assert (await service.client.labels()).total == 0
    for path in ("/", "/healthz", "/health", "/readyz", f"/models/{MODEL}/versions"):
        assert (await api.http.get(path)).status_code == 200
    assert not api.asked.requests


def test_every_change_but_those_of_labels_is_handed_over(api: Api) -> None:
    paths = api.env.app.openapi()["paths"]
    changes = {(method.upper(), path) for path, methods in paths.items() for method in methods} - {
        ("GET", path) for path in paths
    }
    here = {each for each in changes if is_answered_here(each[0], each[1].replace("{", "n"))}
    assert here == CHANGED_HERE
    assert len(changes) > 40


async def test_a_training_run_is_begun_and_followed_through_an_api(
    api: Api, service: Service, worker_script: Path
) -> None:
    write_worker(
        worker_script, "send(TrainingProgress(0.25, 'A quarter.'))\nwhile True: time.sleep(0.1)\n"
    )
    await api.client.label(image_bytes(), "zebra")
    run = await api.client.train()
    assert run.state is RunState.QUEUED

    async def is_under_way() -> TrainingRun | None:
        found = await api.client.training_run(run.id)
        return found if found.progress == 0.25 else None

    assert await wait_until(is_under_way)
    api.asked.failure = httpx.ConnectError("gone")
    stored = await api.client.training_run(run.id)
    assert (stored.state, stored.progress) == (RunState.RUNNING, 0.0)
    assert [each.id for each in await api.client.training_runs()] == [run.id]
    api.asked.failure = None
    assert (await api.client.cancel_training(run.id)).state is RunState.CANCELLED


async def test_the_trainer_is_asked_in_the_name_of_the_caller(
    api: Api, service: Service, workspace: Workspace
) -> None:
    add_version(service.repository)
    api.env.peer.owner = None  # who calls the API is on another machine
    token = AccessToken(workspace.token).read() or ""
    path = f"/models/{MODEL}/versions/2/promote"
    assert (await api.http.post(path)).status_code == 401
    assert not api.asked.requests
    answer = await api.http.post(path, auth=("Ada", token), headers={"Origin": URL})
    assert (answer.status_code, answer.json()["live"]) == (200, True)
    assert [row.by for row in await service.store.runs.decisions(MODEL, 2)] == ["Ada"]
    (request,) = api.asked.requests
    assert (request.headers["Host"], "Origin" in request.headers) == ("localhost", False)


async def test_a_changed_setting_travels_whole(api: Api, service: Service) -> None:
    service.peer.owner = None  # the API is on another machine than the trainer, too
    settings = TrainingSettings(after_labels=77)
    assert await api.client.change_training_settings(MODEL, settings) == settings
    assert await api.client.training_settings(MODEL) == settings
    with pytest.raises(BackendRefused, match="farmm") as raised:
        await api.client.change_training_settings("farmm", settings)
    assert raised.value.status == 404


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (httpx.ConnectError("refused"), "cannot be reached"),
        (httpx.ConnectTimeout("no route"), "cannot be reached"),
        (httpx.ReadTimeout("hangs"), "in time"),
        (httpx.RemoteProtocolError("it died"), "cannot be reached"),
    ],
)
async def test_without_a_trainer_what_it_does_is_503_with_a_sentence(
    api: Api, failure: Exception, said: str
) -> None:
    api.asked.failure = failure
    with pytest.raises(BackendRefused, match=said) as raised:
        await api.client.train()
    assert raised.value.status == 503
    answer = await api.http.post(f"/models/{MODEL}/versions/1/promote", content=b"x" * 100_000)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert [model.name for model in await api.client.models()] == [MODEL]


async def test_an_api_without_the_address_of_a_trainer_says_what_is_missing(
    service: Service, workspace: Workspace, worker_script: Path
) -> None:
    link = TrainerLink("", AccessToken(workspace.token))
    async with open_api(workspace, worker_script, "", link, Asked(service)) as api:
        with pytest.raises(BackendRefused, match="SERVERY_TRAINER"):
            await api.client.train()
        assert await api.client.training_runs() == []


async def test_files_are_not_named_through_an_api(api: Api, tmp_path: Path) -> None:
    """To the trainer its caller is on the same machine; whose files they are, it cannot know."""
    body = {"folder": str(tmp_path)}
    answer = await api.http.post(f"/models/{MODEL}/import", json=body)
    assert answer.status_code == 403, answer.text


async def test_an_api_that_ends_leaves_the_trainer_at_its_work(
    service: Service, workspace: Workspace, worker_script: Path
) -> None:
    write_worker(worker_script, "while True: time.sleep(0.1)\n")
    await service.client.label(image_bytes(), "zebra")
    run = await service.client.train()
    asked = Asked(service)
    link = TrainerLink("http://trainer", AccessToken(workspace.token), asked)
    async with open_api(workspace, worker_script, service.database, link, asked):
        pass
    assert not (await service.client.training_run(run.id)).state.finished
    assert (await service.store.runs.get(run.id)).finished is None
    await service.client.cancel_training(run.id)
