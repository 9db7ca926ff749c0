"""A gRPC server on the real wire that answers what a test tells it to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from serving.tf.messages import predict_pb2, types_pb2

Answer = Callable[[Any, Any], Awaitable[Any]]


def scores_response(version: int = 1, **scores: float) -> Any:
    """A PredictResponse with these classes, in this order."""
    response = predict_pb2.PredictResponse()
    response.model_spec.version.value = version
    # By hand and without numpy: the fake server in containers starts several times as fast.
    classes, values = response.outputs["classes"], response.outputs["scores"]
    classes.dtype, values.dtype = types_pb2.DT_STRING, types_pb2.DT_FLOAT
    classes.string_val.extend(name.encode() for name in scores)
    values.float_val.extend(scores.values())
    for tensor in (classes, values):
        for size in (1, len(scores)):
            tensor.tensor_shape.dim.add(size=size)
    return response


def add_method(server: grpc.aio.Server, path: str, messages: Any, answer: Answer) -> None:
    """Let `answer` serve a method, named as in `PredictionService/Predict`."""
    service, method = path.split("/")
    handler = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=getattr(messages, f"{method}Request").FromString,
        response_serializer=getattr(messages, f"{method}Response").SerializeToString,
    )
    generic = grpc.method_handlers_generic_handler(
        f"tensorflow.serving.{service}", {method: handler}
    )
    server.add_generic_rpc_handlers([generic])


class FakePredictionServer:
    """Answers every Predict with `answer(request, context)` and counts them."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Any] = []
        self.address = ""
        self._server: Any = None

    async def __aenter__(self) -> FakePredictionServer:
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
        add_method(server, "PredictionService/Predict", predict_pb2, self._predict)
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        self._server = server
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Cancel the calls in flight."""
        await self._server.stop(None)

    async def _predict(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        return await self.answer(request, context)


async def cat(request: Any, context: Any) -> Any:
    return scores_response(7, cat=0.75, dog=0.25)
