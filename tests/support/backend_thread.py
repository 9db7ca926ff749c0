"""A real backend on a real port, on a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from backend.events import EventBroker
from backend.http_app import create_app
from backend.server import listening_socket
from backend.store.store import Store
from backend.training.trainer import Trainer
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.unit.backend.conftest import MODEL, FakeClassifier


class _Uvicorn(uvicorn.Server):
    """A server that leaves signals alone and ends its event streams first."""

    def __init__(self, config: uvicorn.Config, broker: EventBroker) -> None:
        super().__init__(config)
        self._broker = broker

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._broker.close()
        await super().shutdown(sockets)


@contextmanager
def backend(workspace: Workspace, worker: Path, port: int = 0) -> Iterator[str]:
    """Serve `workspace` until the end of the block; yields the address.

    `worker` is the program that carries out training runs.
    """
    with listening_socket("127.0.0.1", port) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        servers: list[_Uvicorn] = []
        listening = threading.Event()

        async def serve() -> None:
            store = Store(workspace)
            await store.open()
            broker = EventBroker()
            repository = ModelRepository(workspace.models)
            trainer = Trainer(
                model=MODEL,
                store=store,
                repository=repository,
                workspace=workspace,
                broker=broker,
                worker=[sys.executable, str(worker)],
            )
            await trainer.open()
            app = create_app(
                model=MODEL,
                store=store,
                classifier=FakeClassifier(),
                ready_instances=lambda: 1,
                trainer=trainer,
                repository=repository,
                broker=broker,
            )
            config = uvicorn.Config(app, log_level="warning", access_log=False)
            servers.append(_Uvicorn(config, broker))
            listening.set()
            await servers[0].serve([listener])
            await trainer.close()
            await store.close()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="backend")
        thread.start()
        assert listening.wait(10)
        try:
            yield url
        finally:
            servers[0].should_exit = True
            thread.join(20)
            assert not thread.is_alive()
