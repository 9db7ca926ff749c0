"""The image of a version answers with no mount, with the scores of the live version."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import docker
import grpc
import numpy as np
import pytest

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.model_image.build import make_image
from serving.engines.docker.model_image.request import ModelImageRequest
from serving.engines.process import ProcessEngine
from serving.engines.protocol import InstanceSpec
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.tf.messages import predict_pb2, prediction_service_pb2_grpc
from serving.tf.names import CLASSES, IMAGES, SCORES
from serving.tf.tensors import from_proto, string_tensor, to_proto
from serving.workspace import Workspace
from tests.support.docker.images import PREFIX, TOKEN
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = "efficientnet-lite0"
TAG = f"{PREFIX}/lite0:{TOKEN}"
PORTS = ("8500/tcp", "8501/tcp")


@pytest.fixture
async def running(
    workspace: Workspace, model_server_image: str, api: docker.APIClient
) -> AsyncIterator[dict[str, Any]]:
    """The inspection of a container that runs the image as `docker run` does."""
    repository = ModelRepository(workspace.models)
    version = install_built_in(repository, MODEL)
    connection = EngineConnection()
    await make_image(
        connection, repository, version, ModelImageRequest(TAG, model_server_image), TOKEN, TOKEN
    )
    await connection.close()
    bindings = {port: [{"HostIp": "127.0.0.1", "HostPort": ""}] for port in PORTS}
    config = {"Image": TAG, "HostConfig": {"PortBindings": bindings}}
    container = api.create_container_from_config(config, f"servery-test-lite0-{TOKEN}")["Id"]  # type: ignore[no-untyped-call]
    try:
        api.start(container)
        yield api.inspect_container(container)
    finally:
        api.remove_container(container, force=True, v=True)
        api.remove_image(TAG)


@pytest.fixture
async def live(workspace: Workspace, running: dict[str, Any]) -> AsyncIterator[str]:
    """The address of an instance that serves the live version from the workspace."""
    engine = ProcessEngine(workspace)
    instance = await engine.start(InstanceSpec(ModelRepository(workspace.models).config_path))
    try:

        async def address() -> str:
            (found,) = await engine.instances()
            return found.grpc_address or ""

        yield await wait_until(address)
    finally:
        await engine.stop(instance.id)
        await engine.close()


async def test_it_answers_as_the_live_version_does(
    running: dict[str, Any], live: str, photos: list[Path], api: docker.APIClient
) -> None:
    assert running["Mounts"] == []
    grpc_port, rest_port = (
        running["NetworkSettings"]["Ports"][port][0]["HostPort"] for port in PORTS
    )
    jpegs = [path.read_bytes() for path in photos[:4]]
    names, scores = await _predict(f"127.0.0.1:{grpc_port}", jpegs)
    live_names, live_scores = await _predict(live, jpegs)
    assert (names == live_names).all()
    assert np.abs(scores - live_scores).max() <= 1e-6
    rest = _post(
        f"http://127.0.0.1:{rest_port}/v1/models/{MODEL}:predict",
        {"inputs": {IMAGES: [{"b64": base64.b64encode(jpeg).decode()} for jpeg in jpegs]}},
    )
    assert np.array(rest["outputs"][CLASSES])[:, 0].tolist() == [
        name.decode() for name in names[:, 0]
    ]
    assert np.abs(np.array(rest["outputs"][SCORES]) - scores).max() <= 1e-6

    def health() -> bool:
        created = api.exec_create(running["Id"], "/usr/bin/servery_model_health.sh")
        api.exec_start(created["Id"])
        return int(api.exec_inspect(created["Id"])["ExitCode"]) == 0

    assert health()
    user = api.exec_create(running["Id"], ["sh", "-c", "id -u; touch /models/new"])
    output = api.exec_start(user["Id"])
    assert b"65532" in output
    assert b"denied" in output


async def _predict(address: str, jpegs: list[bytes]) -> tuple[Any, Any]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    request.model_spec.signature_name = "predict_images"
    request.inputs[IMAGES].CopyFrom(to_proto(string_tensor(jpegs)))
    async with grpc.aio.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        async def ask() -> Any:
            try:
                return await stub.Predict(request, timeout=60, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND):
                    return None
                raise

        response = await wait_until(ask, timeout_seconds=120)
    names, scores = (from_proto(response.outputs[name], name).array for name in (CLASSES, SCORES))
    return names, scores


def _post(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
