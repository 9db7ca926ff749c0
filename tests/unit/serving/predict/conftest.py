from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from serving.predict.client import PredictClient
from tests.unit.serving.predict.instances import PETS


@pytest.fixture
async def client() -> AsyncIterator[PredictClient]:
    made = PredictClient(lambda: PETS, timeout=60)
    yield made
    await made.close()
