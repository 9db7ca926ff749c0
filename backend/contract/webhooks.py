"""URLs that are notified of what happened here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class WebhookTopic(StrEnum):
    """What a webhook may be notified of; the `type` of the messages."""

    PROMOTED = "version.promoted"
    """Another version of a model is live; rolling back is the same."""
    UNSURE = "photo.unsure"
    """A photo was classified, and a person should look at the answer."""


@dataclass(frozen=True)
class NewWebhook:
    url: str
    """http or https."""
    topics: list[WebhookTopic] = field(default_factory=lambda: list(WebhookTopic))


@dataclass(frozen=True)
class Webhook:
    id: str
    url: str
    topics: list[WebhookTopic]
    created: str
    """UTC, ISO 8601."""
    waiting: int = 0
    """Messages that are not delivered yet."""
    delivered: int = 0
    """Messages since the backend began."""
    lost: int = 0
    """Of these, how many were given up, or had no place in the queue."""
    problem: str = ""
    """Why the last attempt failed, as a sentence; empty if it did not."""


@dataclass(frozen=True)
class CreatedWebhook:
    webhook: Webhook
    secret: str
    """By which its messages are signed; nothing tells it again."""
