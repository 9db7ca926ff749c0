"""A model server that no fleet started."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.support.waiting import block_until


class ModelServerByHand:
    """Serves the versions in `folder/models/NAME` on a TCP port of loopback."""

    def __init__(self, folder: Path, name: str) -> None:
        self._ports = folder / "ports.json"
        self._flags = (f"--model_name={name}", f"--model_base_path={folder / 'models' / name}")
        self.start(0)

    def start(self, port: int) -> None:
        self._ports.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "serving.model_server", f"--port={port}"),
                *(*self._flags, f"--ports_file={self._ports}"),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        block_until(self._ports.exists, 60)
        self.port: int = json.loads(self._ports.read_text())["grpc"]
        self.address = f"127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
