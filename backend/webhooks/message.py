"""What a webhook is sent: JSON, signed as the Standard Webhooks specification has it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any

from backend.contract import WebhookTopic
from backend.webhooks.registry import SECRET_PREFIX


@dataclass(frozen=True)
class WebhookMessage:
    id: str
    """The same for each attempt, so that a receiver can tell what it has already."""
    body: bytes

    def headers(self, secret: str, timestamp: int) -> dict[str, str]:
        """Return the headers of an attempt at `timestamp`, in whole seconds since 1970."""
        return {
            "content-type": "application/json",
            "webhook-id": self.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": f"v1,{signature(secret, self.id, timestamp, self.body)}",
        }


def new_message(topic: WebhookTopic, when: str, data: dict[str, Any]) -> WebhookMessage:
    """Return a message about `data`, which happened at `when` (UTC, ISO 8601)."""
    body = json.dumps({"type": topic.value, "timestamp": when, "data": data}).encode()
    return WebhookMessage(f"msg_{secrets.token_hex(12)}", body)


def signature(secret: str, message: str, timestamp: int, body: bytes) -> str:
    """Return the HMAC-SHA256 of a message, in base64."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = b".".join((message.encode(), str(timestamp).encode(), body))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
