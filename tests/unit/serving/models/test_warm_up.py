"""Warm-up records as the server replays them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from serving.model_server.warm_up import warm_up_logs
from serving.models.warm_up import write_warmup
from serving.tf.names import CLASSIFY_SIGNATURE, IMAGES, WARM_UP_FILE
from serving.tf.status import ServingError


def test_records_ask_for_one_photo_and_for_a_batch(tmp_path: Path) -> None:
    write_warmup(tmp_path)
    requests = [log.predict_log.request for log in warm_up_logs(tmp_path)]
    assert {request.model_spec.signature_name for request in requests} == {CLASSIFY_SIGNATURE}
    photos = [list(request.inputs[IMAGES].string_val) for request in requests]
    assert [len(each) for each in photos] == [1, 4]
    with Image.open(io.BytesIO(photos[0][0])) as photo:
        assert (photo.format, photo.size, photo.mode) == ("JPEG", (320, 240), "RGB")
    # Every server checks the checksum of every byte, in Python.
    assert (tmp_path / WARM_UP_FILE).stat().st_size < 50_000


@pytest.mark.parametrize("size", [64 * 2**20 + 1, 10**12])
def test_a_file_of_any_size_is_refused_before_it_is_read(tmp_path: Path, size: int) -> None:
    write_warmup(tmp_path)
    os.truncate(tmp_path / WARM_UP_FILE, size)
    with pytest.raises(ServingError, match=f"has {size} bytes"):
        next(warm_up_logs(tmp_path))
