"""The gRPC side of the server: addresses, limits, health, reflection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from serving.http.limits import affordable_connections
from serving.http.unix_socket import keep_to_owner
from serving.model_server.configuration import read_ssl
from serving.model_server.flags import Flags
from serving.tf.status import Code, ServingError

_UNLIMITED = 2**31 - 1
_CONNECTION_OPTIONS = (
    # A connection on which nothing of HTTP/2 comes takes one of few places.
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_connection_idle_ms", 300_000),
    # A client that does not even answer pings reads nothing, and keeps its responses in memory.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_concurrent_streams", 1024),
)
"""`--grpc_channel_arguments` may set others."""


class GrpcServer:
    """Listens on the addresses in the flags, once started."""

    def __init__(self, flags: Flags, handlers: Sequence[Any]) -> None:
        self._flags = flags
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_send_message_length", _UNLIMITED),
                ("grpc.max_receive_message_length", flags.max_request_bytes or _UNLIMITED),
                # Calls unzip messages themselves, no further than is allowed.
                ("grpc.per_message_decompression", 0),
                ("grpc.so_reuseport", 0),
                (
                    "grpc.max_allowed_incoming_connections",
                    affordable_connections(flags.grpc_max_connections),
                ),
                *_CONNECTION_OPTIONS,
                *_channel_arguments(flags.grpc_channel_arguments),
            ],
            maximum_concurrent_rpcs=flags.grpc_max_concurrent_requests or None,
        )
        self._server.add_generic_rpc_handlers(tuple(handlers))
        self._health: health.aio.HealthServicer | None = None

    async def start(self) -> int | None:
        """Listen; returns the port, if any. Raises ServingError if an address is taken."""
        flags = self._flags
        credentials = _credentials(flags.ssl_config_file)
        host = f"[{flags.host}]" if ":" in flags.host else flags.host
        port = self._listen(f"{host}:{flags.port}", credentials) if flags.enable_tcp else None
        if flags.grpc_socket_path:
            # gRPC takes the path for a part of a URI.
            self._listen(f"unix:{quote(flags.grpc_socket_path)}", credentials)
            keep_to_owner(flags.grpc_socket_path)
        if flags.enable_grpc_healthcheck_service:
            self._health = health.aio.HealthServicer()
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
            for service in ("", *_SERVICES, *_HEALTH_NAMES):
                await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        if flags.enable_reflection_service:
            _reflect(self._server)
        await self._server.start()
        return port

    def _listen(self, address: str, credentials: Any) -> int:
        try:
            if credentials is None:
                return int(self._server.add_insecure_port(address))
            return int(self._server.add_secure_port(address, credentials))
        except RuntimeError as error:
            raise ServingError(
                Code.UNAVAILABLE,
                f"The gRPC API cannot listen on {address}: {error}. "
                "Is another server running there?",
            ) from error

    async def stop(self, grace: float) -> None:
        """Refuse new calls, and finish the accepted ones within `grace` seconds."""
        if self._health is not None:
            await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)


_SERVICES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
_HEALTH_NAMES = tuple(service.rpartition(".")[2] for service in _SERVICES)
"""By these, without the package, the original says that it is healthy."""


def _reflect(server: Any) -> None:
    from grpc_reflection.v1alpha import reflection

    reflection.enable_server_reflection((*_SERVICES, reflection.SERVICE_NAME), server)


def _channel_arguments(text: str) -> list[tuple[str, int | str]]:
    arguments: list[tuple[str, int | str]] = []
    for item in filter(None, text.split(",")):
        key, _, value = item.partition("=")
        try:
            arguments.append((key, int(value)))
        except ValueError:
            arguments.append((key, value))
    return arguments


def _credentials(path: str) -> Any:
    if not path:
        return None
    config = read_ssl(path)
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )
