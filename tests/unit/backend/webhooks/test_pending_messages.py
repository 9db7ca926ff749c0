"""Messages that wait to be sent are kept whole, whatever the disk does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.webhooks.message import WebhookMessage
from backend.webhooks.pending_messages import PendingMessages


def test_a_disk_that_takes_half_a_line_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = PendingMessages(tmp_path)
    kept.add(WebhookMessage("first", b"1"), ["a"])
    write = os.write
    monkeypatch.setattr(
        os, "write", lambda file, content: write(file, content[: len(content) // 2])
    )
    kept.add(WebhookMessage("second", b"2"), ["a"])
    monkeypatch.setattr(os, "write", write)
    kept.add(WebhookMessage("third", b"3"), ["a"])
    kept.close()
    taken = PendingMessages(tmp_path).take_over()
    assert [each.message.id for each in taken] == ["first", "third"]
