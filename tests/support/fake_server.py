"""A model server without a model: starts in a moment and answers what a real one would.

Serves the version that the configuration file pins. Behaves as `fake_server.json`
in the working folder says: `exit` with a status at once, versions that are
`broken` and never become available, `delay` seconds a prediction.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import text_format

from serving.tf.messages import (
    get_model_status_pb2,
    model_server_config_pb2,
    predict_pb2,
)
from tests.support.fake_prediction_server import scores_response

flags = dict(argument.split("=", 1) for argument in sys.argv[1:])


def settings() -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(Path("fake_server.json").read_text())
    except FileNotFoundError:
        return {}
    return said


def pinned() -> int:
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse(Path(flags["--model_config_file"]).read_text(), config)
    (number,) = config.model_config_list.config[0].model_version_policy.specific.versions
    return int(number)


class Server:
    def __init__(self) -> None:
        self.available: list[int] = []
        self.broken: set[int] = set()

    async def follow(self) -> None:
        while True:
            wanted = pinned()
            if wanted in settings().get("broken", []):
                self.broken = {wanted}
            elif wanted not in self.available:
                await asyncio.sleep(0.1 if self.available else 0)
                self.available.append(wanted)
                await asyncio.sleep(0.1)
                self.available = [wanted]
            await asyncio.sleep(0.05)

    async def status(self, request: Any, context: Any) -> Any:
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in sorted({*self.available, *self.broken}, reverse=True):
            row = response.model_version_status.add(version=version)
            row.state = row.AVAILABLE if version in self.available else row.END
            if row.state == row.END:
                row.status.error_message = "the version is broken"
        return response

    async def predict(self, request: Any, context: Any) -> Any:
        await asyncio.sleep(settings().get("delay", 0))
        return scores_response(max(self.available), cat=0.75, dog=0.25)

    async def run(self, address: str = "127.0.0.1:0") -> None:
        server = grpc.aio.server()
        services = {
            "ModelService": ("GetModelStatus", self.status, get_model_status_pb2),
            "PredictionService": ("Predict", self.predict, predict_pb2),
        }
        for service, (method, answer, module) in services.items():
            handler = grpc.unary_unary_rpc_method_handler(
                answer,
                request_deserializer=getattr(module, f"{method}Request").FromString,
                response_serializer=getattr(module, f"{method}Response").SerializeToString,
            )
            server.add_generic_rpc_handlers(
                [
                    grpc.method_handlers_generic_handler(
                        f"tensorflow.serving.{service}", {method: handler}
                    )
                ]
            )
        port = server.add_insecure_port(address)
        await server.start()
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        following = asyncio.create_task(self.follow())
        if "--ports_file" in flags:
            ports = Path(flags["--ports_file"])
            ports.with_suffix(".aside").write_text(json.dumps({"grpc": port}))
            ports.with_suffix(".aside").replace(ports)
        await stop.wait()
        await server.stop(5)
        following.cancel()


if __name__ == "__main__":
    if "exit" in settings():
        print("the model is broken", flush=True)
        sys.exit(settings()["exit"])
    asyncio.run(Server().run())
