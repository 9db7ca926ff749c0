"""Sends messages to webhooks: one after the other for each, again if one fails, never for long."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from backend.contract import Webhook, WebhookTopic
from backend.webhooks.message import WebhookMessage, new_message
from backend.webhooks.pending_messages import PendingMessages
from backend.webhooks.registry import StoredWebhook, WebhookRegistry
from serving.background import cancel_and_wait
from serving.clock import utc_now
from serving.state_files import UnreadableFile

MAX_WAITING = 256
"""Messages for one webhook; beyond, the oldest is given up."""
RETRY_SECONDS = (1.0, 5.0, 30.0, 120.0, 600.0)
"""Before each further attempt; then the message is given up."""
ANSWER_SECONDS = 15.0
_MAX_REDIRECTS = 3
_REDIRECTS = (307, 308)
"""Those that keep the method and the body."""
_log = logging.getLogger(__name__)


class WebhookSender:
    """Sends webhooks what happened, without ever keeping the caller waiting.

    What waits when the backend ends is in `pending`, and sent by the next one. `transport` replaces
    the network, `sleep` and `now` (seconds since 1970) the clock.
    """

    def __init__(
        self,
        registry: WebhookRegistry,
        pending: PendingMessages,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._registry, self._pending = registry, pending
        self._transport, self._sleep, self._now = transport, sleep, now
        self._http: httpx.AsyncClient | None = None
        self._lines: dict[str, _Line] = {}
        self._state: tuple[int, ...] = ()
        """Of the file when it was read: another backend of the workspace may change it."""
        self._ending: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to send what backends that ended have left."""
        left = await asyncio.to_thread(self._pending.take_over)
        self._look()
        for each in left:
            for webhook in each.webhooks:
                if webhook in self._lines:
                    self._send(self._lines[webhook], each.message)
                else:
                    self._pending.done(each.message.id, webhook)

    async def close(self) -> None:
        """End all deliveries; what waits is left to the next backend."""
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        await cancel_and_wait(*tasks, *self._ending)
        self._pending.close()
        if self._http is not None:
            await self._http.aclose()

    def all(self) -> list[Webhook]:
        """Return the webhooks, without their secrets, the oldest first."""
        self._look()
        return [line.summary() for line in self._lines.values()]

    def _look(self) -> None:
        """Read which webhooks there are, if that has changed; what is gone is sent nothing more."""
        state = self._registry.state()
        if state == self._state:
            return
        self._state = state
        is_read, known = True, []
        try:
            known = self._registry.read()
        except UnreadableFile as error:
            _log.error("No webhook is notified of anything: %s", error)
            is_read = False
        before, self._lines = self._lines, {}
        for webhook in known:
            self._lines[webhook.id] = before.pop(webhook.id, _Line(webhook))
        for line in before.values():
            for message in line.messages if is_read else ():
                self._pending.done(message.id, line.webhook.id)
            if line.task is not None:
                line.task.cancel()
                self._ending.add(line.task)
                line.task.add_done_callback(self._ending.discard)

    def notify(self, topic: WebhookTopic, data: Callable[[], dict[str, Any]]) -> None:
        """Send a message about `data` to every webhook that asks for `topic`; returns at once.

        `data` is only called if there is such a webhook.
        """
        self._look()
        lines = [line for line in self._lines.values() if topic in line.webhook.topics]
        if not lines:
            return
        message = new_message(topic, utc_now(), data())
        self._pending.add(message, [line.webhook.id for line in lines])
        for line in lines:
            self._send(line, message)

    def _send(self, line: _Line, message: WebhookMessage) -> None:
        if given_up := line.add(message):
            self._pending.done(given_up.id, line.webhook.id)
        if line.task is None or line.task.done():
            line.task = asyncio.get_running_loop().create_task(self._deliver(line))

    async def _deliver(self, line: _Line) -> None:
        while line.messages:
            message = line.messages[0]
            delivered = await self._attempts(line, message)
            # Unless it has lost its place meanwhile.
            if line.messages and line.messages[0] is message:
                line.messages.popleft()
                line.delivered += delivered
                line.lost += not delivered
                self._pending.done(message.id, line.webhook.id)

    async def _attempts(self, line: _Line, message: WebhookMessage) -> bool:
        for pause in (*RETRY_SECONDS, None):
            try:
                line.problem = await self._attempt(line.webhook, message)
            except Exception:
                _log.exception("A webhook could not be notified")
                line.problem = "An unexpected error occurred."
            if not line.problem:
                return True
            if pause is not None:
                await self._sleep(pause)
        _log.warning("Webhook %s was given up: %s", line.webhook.id, line.problem)
        return False

    async def _attempt(self, webhook: StoredWebhook, message: WebhookMessage) -> str:
        """Send a message; returns what went wrong, as a sentence."""
        headers = message.headers(webhook.secret, int(self._now()))
        url = httpx.URL(webhook.url)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for _ in range(_MAX_REDIRECTS + 1):
                    status, target = await self._post(url, message.body, headers)
                    if status not in _REDIRECTS:
                        return "" if 200 <= status < 300 else f"It answered {status}."
                    other = url.join(target)
                    if _origin(other) != _origin(url):
                        return "It redirects to another host, which is not followed."
                    url = other
        except TimeoutError:
            return f"It did not answer within {ANSWER_SECONDS:.0f} s."
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"It could not be reached ({type(error).__name__})."
        return "It redirects without an end."

    async def _post(self, url: httpx.URL, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """Return the status, and where a redirect leads; what else is answered is not read."""
        if self._http is None:  # made here: to read all certificates takes 20 ms
            self._http = httpx.AsyncClient(
                transport=self._transport, trust_env=False, follow_redirects=False
            )
        request = self._http.build_request("POST", url, content=body, headers=headers)
        answer = await self._http.send(request, stream=True)
        try:
            return answer.status_code, answer.headers.get("location", "")
        finally:
            await answer.aclose()


class _Line:
    """The messages that wait for one webhook."""

    def __init__(self, webhook: StoredWebhook) -> None:
        self.webhook = webhook
        self.messages: deque[WebhookMessage] = deque()
        self.task: asyncio.Task[None] | None = None
        self.delivered = self.lost = 0
        self.problem = ""

    def add(self, message: WebhookMessage) -> WebhookMessage | None:
        """Let a message wait; returns the one that is given up for it, if there is no room."""
        self.messages.append(message)
        if len(self.messages) <= MAX_WAITING:
            return None
        self.lost += 1
        return self.messages.popleft()

    def summary(self) -> Webhook:
        kept = self.webhook
        return Webhook(
            *(kept.id, kept.url, kept.topics, kept.created, len(self.messages)),
            *(self.delivered, self.lost, self.problem),
        )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
