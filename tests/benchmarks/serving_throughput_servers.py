"""What the benchmark runs: our server, LitServe, and TensorFlow without any server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import psutil

from tests.benchmarks.reference_model import DATA
from tests.benchmarks.serving_throughput_load import MODEL

ROOT = Path(__file__).resolve().parents[2]
LITSERVE_PROGRAM = Path(__file__).with_name("serving_throughput_litserve.py")
START_SECONDS = 120.0
_LIMITS = {"tensorflow": "limit", "openvino": "limit_openvino"}
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
"""TensorFlow's switch for oneDNN's kernels, which our server turns on."""


class Program:
    """A process with its children, ended with the block and suspended while others are measured."""

    own_session = False
    """Whether it shares the processor as a program that was started apart from this one."""

    def __init__(self, name: str, command: Sequence[str], log: Path, **environment: str) -> None:
        self.name = name
        self._log = log
        environment_defaults = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
        with log.open("w") as output:
            self.started_at = time.perf_counter()
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if log.suffix == ".json" else output,
                stderr=output,
                text=True,
                start_new_session=self.own_session,
                env={**os.environ, **environment_defaults, **environment},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        family = self._family()
        for process in family:
            process.resume()
            process.terminate()
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            process.kill()
        self.process.communicate()

    def _family(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @property
    def memory(self) -> float:
        """Megabytes of it and its children; what they share counts once."""
        return sum(process.memory_full_info().pss for process in self._family()) / 1e6

    @property
    def own_memory(self) -> float:
        """Megabytes that would be free if it and its children ended (USS)."""
        return sum(process.memory_full_info().uss for process in self._family()) / 1e6

    @property
    def written_memory(self) -> float:
        """Megabytes that it alone has written to.

        USS counts pages of libraries as well while no other program happens to use them.
        """
        rows = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(row.split()[1]) for row in rows if row.startswith("Private_Dirty:")) / 1000

    @property
    def processor_seconds(self) -> float:
        """What it and its children have spent so far; a busy machine changes little of it."""
        spent = [process.cpu_times() for process in self._family()]
        return sum(times.user + times.system for times in spent)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run until the end of the block; it is suspended before and after."""
        for process in self._family():
            process.resume()
        try:
            yield
        finally:
            self.sleep()

    def sleep(self) -> None:
        """Suspend it, so that it does not disturb the measurement of others."""
        for process in self._family():
            process.suspend()

    def check(self) -> None:
        """Raise SystemExit if it does not run, or has not started after `START_SECONDS`."""
        self.check_alive()
        if time.perf_counter() - self.started_at > START_SECONDS:
            raise SystemExit(f"{self.name} takes too long to start:\n{self._log.read_text()}")

    def check_alive(self) -> None:
        """Raise SystemExit, with the log, if it is no longer running."""
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} has ended:\n{self._log.read_text()}")


class OurServer(Program):
    """`python -m serving.model_server` on one model, ready when made."""

    def __init__(
        self,
        name: str,
        model: Path,
        folder: Path,
        *flags: str,
        wait: bool = True,
    ) -> None:
        folder.mkdir(parents=True)
        self._ports_file = folder / "ports.json"
        super().__init__(
            name,
            [
                *(sys.executable, "-m", "serving.model_server", "--port=0"),
                *(f"--ports_file={self._ports_file}", f"--model_name={MODEL}"),
                *(f"--model_base_path={model}", *flags),
            ],
            folder / "log.txt",
        )
        if wait:
            self.wait()

    @property
    def listens(self) -> bool:
        """Whether it listens, which it does once the model is AVAILABLE."""
        return self._ports_file.exists()

    def wait(self) -> None:
        """Wait until it listens."""
        while not self.listens:
            self.check()
            time.sleep(0.005)
        self.start_seconds = time.perf_counter() - self.started_at
        self.port: int = json.loads(self._ports_file.read_text())["grpc"]

    @property
    def runtimes_chosen(self) -> int:
        """For how many of the versions that it loaded it has decided on what they run."""
        return self._log.read_text().count(" runs on ")

    def wait_for_runtime(self) -> None:
        """Wait until it has decided whether the version runs on OpenVINO."""
        while not self.runtimes_chosen:
            self.check()
            time.sleep(0.02)


class LitServer(Program):
    """LitServe on the plain export, ready when made."""

    def __init__(self, name: str, python: str, model: Path, log: Path, **environment: str) -> None:
        # LitServe does not accept port 0 or report its port, so a free one is picked here.
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        classes = DATA / "imagenet_classes.txt"
        # Without `-P` the benchmarks beside it would come before modules of the same names.
        program = [python, "-P", str(LITSERVE_PROGRAM)]
        command = [*program, str(model / "1"), str(classes), str(self.port)]
        super().__init__(name, command, log, **environment)
        address = f"http://127.0.0.1:{self.port}/health"
        while True:
            self.check()
            try:
                with urllib.request.urlopen(address, timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        self.start_seconds = time.perf_counter() - self.started_at


class InProcess(Program):
    """Batch after batch with nothing in between.

    That is through TensorFlow's own Python, or on the runtime that the version's card says.
    """

    def __init__(
        self,
        name: str,
        model: Path,
        batch: int,
        log: Path,
        *,
        runtime: str = "tensorflow",
        **environment: str,
    ) -> None:
        module = f"tests.benchmarks.serving_throughput_{_LIMITS[runtime]}"
        command = [sys.executable, "-m", module, str(model / "1"), str(batch)]
        super().__init__(name, command, log.with_suffix(".json"), **environment)
        self._answer()

    def rate(self, seconds: float) -> float:
        """Return images a second."""
        assert self.process.stdin is not None
        print(seconds, file=self.process.stdin, flush=True)
        return float(self._answer())

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.check()
        return json.loads(line)


@contextmanager
def asleep(programs: Sequence[Program]) -> Iterator[None]:
    """Suspend all of these, except for `awake` blocks, and end them with the block."""
    with ExitStack() as stack:
        for program in programs:
            stack.enter_context(program)
            program.sleep()
        yield
