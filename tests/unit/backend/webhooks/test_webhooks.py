"""URLs are told of what happens, once each, by messages that only Servery can have signed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest

from backend.contract import NewWebhook, WebhookTopic
from backend.events import EventBroker
from backend.http_errors import HttpError
from backend.webhooks.pending_messages import PendingMessages
from backend.webhooks.promotions import PromotionNotifier
from backend.webhooks.registry import StoredWebhook, WebhookRegistry
from backend.webhooks.sender import MAX_WAITING, RETRY_SECONDS, WebhookSender
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.backend_env import MODEL, Service, add_version, service, worker_script
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

__all__ = ["service", "worker_script"]

URL = "https://hooks.example/servery"
NOW = 1_700_000_000


@dataclass
class Receiver:
    """What a webhook answers, and what it was sent."""

    answer: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(204)
    received: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.received.append(request)
        return self.answer(request)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def types(self) -> list[str]:
        return [json.loads(request.content)["type"] for request in self.received]


@pytest.fixture
def registry(tmp_path: Path) -> WebhookRegistry:
    return WebhookRegistry(tmp_path / "webhooks.json")


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def sender(
    registry: WebhookRegistry, receiver: Receiver, tmp_path: Path
) -> AsyncIterator[WebhookSender]:
    transport = httpx.MockTransport(receiver.handle)
    kept = PendingMessages(tmp_path / "messages")
    made = WebhookSender(registry, kept, transport=transport, sleep=receiver.sleep, now=lambda: NOW)
    yield made
    await made.close()


def add(registry: WebhookRegistry, *topics: WebhookTopic, url: str = URL) -> StoredWebhook:
    return registry.add(NewWebhook(url, list(topics or WebhookTopic)))


async def settled(sender: WebhookSender) -> None:
    await wait_until(lambda: not any(each.waiting for each in sender.all()))


async def test_a_message_is_signed_as_the_specification_says(
    registry: WebhookRegistry, sender: WebhookSender, receiver: Receiver
) -> None:
    kept = add(registry)
    sender.notify(WebhookTopic.UNSURE, lambda: {"model": "pets"})
    await settled(sender)
    (request,) = receiver.received
    assert (request.method, str(request.url)) == ("POST", URL)
    identity, time = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert time == str(NOW)
    key = base64.b64decode(kept.secret.removeprefix("whsec_"))
    signed = f"{identity}.{time}.".encode() + request.content
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    content = json.loads(request.content)
    assert (content["type"], content["data"]) == ("photo.unsure", {"model": "pets"})
    assert kept.secret not in request.content.decode()


async def test_each_is_told_of_what_it_asked_for(
    registry: WebhookRegistry, sender: WebhookSender, receiver: Receiver
) -> None:
    add(registry, WebhookTopic.PROMOTED)
    sender.notify(WebhookTopic.UNSURE, partial(pytest.fail, "this was made for nobody"))
    sender.notify(WebhookTopic.PROMOTED, dict)
    await settled(sender)
    assert receiver.types() == ["version.promoted"]


async def test_a_failure_is_tried_again_with_the_same_id(
    registry: WebhookRegistry, sender: WebhookSender, receiver: Receiver
) -> None:
    statuses = iter((500, 429))

    def answer(request: httpx.Request) -> httpx.Response:
        if len(receiver.received) == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(next(statuses, 200))

    receiver.answer = answer
    add(registry)
    sender.notify(WebhookTopic.UNSURE, dict)
    await settled(sender)
    assert len(receiver.received) == 4
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert receiver.pauses == list(RETRY_SECONDS[:3])
    (webhook,) = sender.all()
    assert (webhook.delivered, webhook.lost, webhook.problem) == (1, 0, "")


async def test_what_always_fails_is_given_up_and_said(
    registry: WebhookRegistry,
    sender: WebhookSender,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver.answer = lambda request: httpx.Response(500)
    add(registry)
    with caplog.at_level(logging.WARNING):
        sender.notify(WebhookTopic.UNSURE, dict)
        await settled(sender)
    assert receiver.pauses == list(RETRY_SECONDS)
    (webhook,) = sender.all()
    assert (webhook.delivered, webhook.lost, webhook.problem) == (0, 1, "It answered 500.")
    assert "given up" in caplog.text
    caplog.clear()


@pytest.mark.parametrize(
    ("status", "target", "requests"),
    [
        (307, "/other", 2),
        (308, "https://hooks.example:443/other", 2),
        (307, "https://else.example/", 1),
        (307, "http://hooks.example/", 1),
        (307, "https://hooks.example:444/", 1),
        (307, "//127.0.0.1/", 1),
        (302, "/other", 1),
    ],
)
async def test_no_redirect_leads_to_another_host(
    registry: WebhookRegistry,
    sender: WebhookSender,
    receiver: Receiver,
    status: int,
    target: str,
    requests: int,
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/servery" and len(receiver.received) == 1:
            return httpx.Response(status, headers={"Location": target})
        return httpx.Response(200)

    async def no_more(seconds: float) -> None:
        await asyncio.Event().wait()

    receiver.answer = answer
    sender._sleep = no_more
    add(registry)
    sender.notify(WebhookTopic.UNSURE, dict)
    await wait_until(lambda: sender.all()[0].delivered or sender.all()[0].problem)
    assert len(receiver.received) == requests
    assert sender.all()[0].delivered == (requests == 2)
    assert {request.url.host for request in receiver.received} == {"hooks.example"}


async def test_the_queue_of_one_that_does_not_answer_is_bounded(
    registry: WebhookRegistry, sender: WebhookSender
) -> None:
    add(registry)
    for number in range(MAX_WAITING + 10):
        sender.notify(WebhookTopic.UNSURE, partial(dict, number=number))
    (webhook,) = sender.all()
    assert (webhook.waiting, webhook.lost) == (MAX_WAITING, 10)


async def test_one_that_was_removed_is_sent_nothing_more(
    registry: WebhookRegistry, sender: WebhookSender, receiver: Receiver
) -> None:
    kept = add(registry)
    sender.notify(WebhookTopic.UNSURE, dict)
    registry.remove(kept.id)
    assert sender.all() == []
    sender.notify(WebhookTopic.UNSURE, dict)
    await sender.close()
    assert receiver.received == []
    with pytest.raises(HttpError):
        registry.remove(kept.id)


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://a/", "http://", "http://u:p@a/", "http://a/\n", "http://a b/", "http://[/"],
)
def test_what_is_no_url_is_refused(registry: WebhookRegistry, url: str) -> None:
    with pytest.raises(HttpError) as refused:
        add(registry, url=url)
    assert refused.value.status == 400
    assert registry.read() == []


async def test_a_promotion_is_told_whoever_made_it(
    workspace: Workspace, registry: WebhookRegistry, sender: WebhookSender, receiver: Receiver
) -> None:
    repository = ModelRepository(workspace.models)
    add_version(repository)
    repository.promote(MODEL, 1)
    promotions = PromotionNotifier(repository, sender, EventBroker())
    add(registry)
    await promotions.look()
    add_version(repository)
    await promotions.look()
    repository.promote(MODEL, 2)
    await promotions.look()
    await promotions.look()
    await settled(sender)
    (request,) = receiver.received
    expected = {"model": MODEL, "version": 2, "former_version": 1}
    assert json.loads(request.content)["data"] == expected


async def test_they_are_made_over_http_and_the_secret_is_told_once(
    service: Service,
) -> None:
    created = await service.client.add_webhook(NewWebhook("http://127.0.0.1:9/"))
    assert created.secret.startswith("whsec_")
    listed = await service.http.get("/webhooks")
    assert [each["id"] for each in listed.json()] == [created.webhook.id]
    assert created.secret not in listed.text
    assert service.workspace.webhooks.stat().st_mode & 0o077 == 0
    service.classifier.familiarity = 0.1
    await service.http.post("/classify", content=image_bytes())
    (webhook,) = await service.client.webhooks()
    assert webhook.waiting == 1
    await service.client.remove_webhook(webhook.id)
    assert await service.client.webhooks() == []
    assert (await service.http.delete(f"/webhooks/{webhook.id}")).status_code == 404
    assert (await service.http.post("/webhooks", json={"url": "x"})).status_code == 400
