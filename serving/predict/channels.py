"""How this project opens a gRPC connection to an instance."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import grpc.aio

from serving.socket_address import socket_path, unix_address

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
    # How long a connection may take, whatever its name says: an instance that sleeps has to wake.
    ("grpc.min_reconnect_backoff_ms", 30_000),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


def open_channel(address: str) -> Any:
    """Return a `grpc.aio` channel to `host:port` or `unix:/path`, with messages of any size.

    Connects on first use, in the running event loop.
    """
    path = socket_path(address)
    # gRPC takes the path for a part of a URI.
    target = address if path is None else unix_address(quote(path))
    return grpc.aio.insecure_channel(target, options=_OPTIONS)
