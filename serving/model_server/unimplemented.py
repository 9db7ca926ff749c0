"""Calls of the original server that this one answers with UNIMPLEMENTED."""

from __future__ import annotations

from typing import Any

import grpc

from serving.model_server.grpc_calls import CallContext

_REASONS = {
    "/tensorflow.serving.PredictionService/PredictStreamed": (
        "This server does not stream predictions. Use Predict."
    ),
    "/tensorflow.serving.SessionService/SessionRun": (
        "This server does not run sessions for its callers. Use Predict with a signature."
    ),
    "/tensorflow.ProfilerService/Profile": "This server has no profiler.",
    "/tensorflow.ProfilerService/Monitor": "This server has no profiler.",
    "/tensorflow.ProfilerService/Terminate": "This server has no profiler.",
}


class UnimplementedCalls:
    """A generic gRPC handler that refuses each of these calls with the reason."""

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a call that is not implemented; None for every other."""
        reason = _REASONS.get(handler_call_details.method)
        if reason is None:
            return None

        async def refuse(_requests: Any, context: CallContext) -> None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, reason)

        return grpc.stream_stream_rpc_method_handler(refuse)
