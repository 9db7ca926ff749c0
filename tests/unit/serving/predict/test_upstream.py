"""How long an instance that loses requests is left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from serving.predict.request import predict_request
from serving.predict.traffic import TrafficMeter
from serving.predict.upstream import InstanceLost, Upstream
from tests.support.fake_prediction_server import FakePredictionServer, cat

REQUEST = predict_request("pets", "predict_images", b"x")


async def unavailable(request: Any, context: Any) -> Any:
    await context.abort(grpc.StatusCode.UNAVAILABLE, "no")


async def lose(upstream: Upstream) -> None:
    with pytest.raises(InstanceLost):
        await upstream.predict(REQUEST, 60)


async def test_an_instance_is_ejected_for_longer_each_time_until_it_answers() -> None:
    now = 1000.0
    async with FakePredictionServer(unavailable) as server:
        upstream = Upstream("a", server.address, TrafficMeter(), lambda: now)
        pauses = []
        for _ in range(7):
            await lose(upstream)
            pauses.append(round(upstream.ejected_until - now, 3))
            now = upstream.ejected_until
        assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
        server.answer = cat
        await upstream.predict(REQUEST, 60)
        assert upstream.ejected_until == 0
        server.answer = unavailable
        await lose(upstream)
        assert round(upstream.ejected_until - now, 3) == 0.2
        await upstream.close()


async def test_requests_that_are_lost_together_count_as_one_loss() -> None:
    async with FakePredictionServer(unavailable) as server:
        upstream = Upstream("a", server.address, TrafficMeter(), lambda: 1000.0)
        await asyncio.gather(*(lose(upstream) for _ in range(5)))
        assert upstream.ejected_until == 1000.2
        await upstream.close()
