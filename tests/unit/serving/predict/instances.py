"""Instances that answer as a test wants, and a client for them."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from serving.models.served import ServedModels
from serving.predict.client import PredictClient
from serving.predict.load_balancer import InstanceAddress
from tests.support.fake_prediction_server import FakePredictionServer, scores_response

PETS = ServedModels("pets")
NOWHERE = "127.0.0.1:1"
"""A port that nothing listens on."""


def ends_with(code: grpc.StatusCode, details: str = "no") -> Any:
    async def answer(request: Any, context: Any) -> Any:
        await context.abort(code, details)

    return answer


class Gate:
    """Answers once it is open, and counts how many requests are held at a time."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.held = self.peak = 0

    async def __call__(self, request: Any, context: Any) -> Any:
        self.held += 1
        self.peak = max(self.peak, self.held)
        await self.open.wait()
        self.held -= 1
        return scores_response(7, cat=1.0)


class Loaded:
    """Answers for the models that it has loaded."""

    def __init__(self, *models: str) -> None:
        self.models = set(models)

    async def __call__(self, request: Any, context: Any) -> Any:
        model = request.model_spec.name
        if model not in self.models:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: Latest({model})")
        return scores_response(7, **{model: 1.0})


def set_instances(client: PredictClient, **servers: FakePredictionServer) -> None:
    client.balancer.set_instances(
        InstanceAddress(name, server.address) for name, server in servers.items()
    )
