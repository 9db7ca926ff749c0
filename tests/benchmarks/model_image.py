"""How long the image of a version takes, and how much larger than its base it is.

python -m tests.benchmarks.model_image --base servery/model-server:0.1.0
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.model_image.build import make_image
from serving.engines.docker.model_image.request import ModelImageRequest
from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.units import format_bytes

TAG = "servery-benchmark/model-image:1"


async def measure(base: str, model: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repository = ModelRepository(Path(folder, "models"))
        version = install_built_in(repository, model)
        connection = EngineConnection()
        store = ImageStore(connection)
        try:
            began = time.monotonic()
            request = ModelImageRequest(TAG, base)
            made = await make_image(connection, repository, version, request, "benchmark", "0")
            built = time.monotonic()
            saved = await store.save(TAG, Path(folder, "image.tar"))
            print(f"{model} on {made.base} ({format_bytes(made.base_size)})")
            print(
                f"built in {built - began:.1f} s, {format_bytes(made.size - made.base_size)} more"
            )
            print(f"saved in {time.monotonic() - built:.1f} s, {format_bytes(saved)}")
        finally:
            await store.remove(TAG)
            await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="", help="default: the first that the engine has")
    parser.add_argument("--model", default=DEFAULT_BUILT_IN)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.base, arguments.model))


if __name__ == "__main__":
    main()
