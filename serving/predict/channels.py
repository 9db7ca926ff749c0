"""How this project opens a gRPC connection to an instance."""

from __future__ import annotations

from typing import Any

import grpc.aio

_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # An instance is on this machine or named outright: a proxy meant for the web
    # would only get in between.
    ("grpc.enable_http_proxy", 0),
    # Without its own pool a channel waits out the back-off of another one that
    # tried the same address before the server listened there.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


def open_channel(address: str) -> Any:
    """Return a `grpc.aio` channel to `host:port`, with messages of any size.

    Connects on first use, in the running event loop.
    """
    return grpc.aio.insecure_channel(address, options=_OPTIONS)
