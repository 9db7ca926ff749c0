"""Which webhooks there are: a file that only the person can read."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from backend.contract import NewWebhook, WebhookTopic
from backend.http_errors import HttpError
from serving.clock import utc_now
from serving.errors import StorageUnavailable, storage_error
from serving.files import write_aside
from serving.json_decode import decode
from serving.state_files import DamagedFile, read_object

MAX_WEBHOOKS = 50
MAX_URL = 2000
"""Characters."""
_SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"
"""As the Standard Webhooks specification has it."""


@dataclass(frozen=True)
class StoredWebhook:
    """A webhook with its secret."""

    id: str
    url: str
    topics: list[WebhookTopic]
    secret: str
    created: str


class WebhookRegistry:
    """The webhooks in a file; blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def state(self) -> tuple[int, ...]:
        """Return what changes when the file does; nothing without a file."""
        try:
            status = self._path.stat()
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def read(self) -> list[StoredWebhook]:
        """Return all, the oldest first; raises DamagedFile and UnreadableFile."""
        raw = read_object(self._path)
        if raw is None:
            return []
        try:
            return decode(list[StoredWebhook], raw.get("webhooks"))
        except (ValueError, KeyError) as error:
            raise DamagedFile(self._path, "it holds no list of webhooks") from error

    def add(self, new: NewWebhook) -> StoredWebhook:
        """Keep a new webhook, with a secret of its own; raises HttpError, StorageUnavailable."""
        known = self.read()
        if len(known) >= MAX_WEBHOOKS:
            raise HttpError(
                409, f"There are {MAX_WEBHOOKS} webhooks already.", "Remove one that is not used."
            )
        secret = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        added = StoredWebhook(
            secrets.token_hex(8),
            checked_url(new.url),
            _checked_topics(new.topics),
            SECRET_PREFIX + secret,
            utc_now(),
        )
        self._write([*known, added])
        return added

    def remove(self, webhook: str) -> None:
        """Forget a webhook; raises HttpError if there is none of this id."""
        known = self.read()
        left = [each for each in known if each.id != webhook]
        if len(left) == len(known):
            raise HttpError(
                404, "There is no such webhook.", "`servery webhook list` names those there are."
            )
        self._write(left)

    def _write(self, webhooks: list[StoredWebhook]) -> None:
        content = json.dumps({"webhooks": [asdict(each) for each in webhooks]}, indent=1)
        try:
            write_aside(self._path, content + "\n")
        except OSError as error:
            what = "The webhooks cannot be written"
            raise storage_error(error, self._path, what, StorageUnavailable) from error


def checked_url(url: str) -> str:
    """Return a URL that messages may be sent to; raises HttpError."""
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and "@" not in parts.netloc
            and len(url) <= MAX_URL
            and url.isascii()
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        usable = False
    if not usable:
        raise HttpError(
            400,
            "The webhook has no URL that messages can be sent to.",
            "Give one such as https://example.org/servery, without a user and a password.",
        )
    return url


def _checked_topics(topics: list[WebhookTopic]) -> list[WebhookTopic]:
    if not topics:
        raise HttpError(
            400, "The webhook would be notified of nothing.", "Name a topic, or leave them all out."
        )
    return list(dict.fromkeys(topics))
