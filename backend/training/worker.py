"""The program that learns: it makes new versions.

`python -m backend.training.worker SPEC_FILE` makes one, then it ends; STAY and a folder in
place of the file it makes one for each line of its standard input, which names a spec file,
and keeps what the next run needs loaded. Reports on its standard output as
`worker_protocol.py` says; what libraries print goes to standard error. Ends by itself when
its standard input closes, which is when the backend has ended. It takes the processor only
after others.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

from backend.training.low_priority import lower_priority
from backend.training.new_version import Send, embed_ahead, learn
from backend.training.warm_backbone import WarmBackbone
from backend.training.worker_protocol import (
    AHEAD_NAME,
    LOG_NAME,
    STAY,
    Message,
    TrainingFailure,
    TrainingSpec,
    to_line,
)
from serving.errors import DISK_ERRORS, ServeryError, storage_error, system_error
from serving.model_server.log_limit import limit_own_log
from serving.parent import EXIT_WITHOUT_PARENT, end_with_parent
from serving.private import set_private_umask
from serving.text.log_lines import log_lines


def refusal(error: Exception, spec_file: str) -> TrainingFailure:
    """Return the failure for what the system refused; raises `error` if it is another one."""
    failure = system_error(error)
    if isinstance(error, OSError) and (error.errno in DISK_ERRORS or failure is None):
        # What failed to write has no name, other than what failed to open.
        path = Path(str(error.filename or Path(spec_file).parent))
        what = "The training run could not write its files"
        if error.filename:
            what = f"The file {path} could not be written or read"
        failure = storage_error(error, path, what, ServeryError)
    if failure is None:
        raise error
    return TrainingFailure(failure.what, f"{failure.advice} What was computed is kept.")


def main() -> int:
    set_private_umask()
    log_lines("%(asctime)s %(levelname)s %(name)s %(message)s")
    lower_priority()
    argument = sys.argv[1]
    # TensorFlow's C code prints to descriptor 1 too: keep a copy of it for the messages alone.
    # Never closed, so that its end says to the parent that this process has ended: the parent may
    # close the standard input then.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8", closefd=False)
    os.dup2(2, 1)

    def send(message: Message) -> None:
        messages.write(to_line(message))
        messages.flush()

    if argument == STAY:
        _carry_out_all(send)
    run_folder = Path(argument).resolve().parent
    limit_own_log(lambda log: log.parent == run_folder)
    end_with_parent(0, lambda: os._exit(EXIT_WITHOUT_PARENT))
    return _carry_out(argument, send, WarmBackbone(keeps=False))


def _carry_out_all(send: Send) -> NoReturn:
    """Carry out one training run after the other, whose spec files are lines of standard input.

    Each logs into the folder of its spec file.
    """
    spec_files = SpecFiles()

    def read_lines() -> None:
        for line in sys.stdin.buffer:
            spec_files.put(str(json.loads(line)))
        # The backend needs this process no more, or is gone; what a run has staged is its own.
        os._exit(0)

    threading.Thread(target=read_lines, name="spec files", daemon=True).start()
    warm = WarmBackbone(keeps=True)
    while True:
        spec_file = spec_files.next()
        run_folder = Path(spec_file).resolve().parent
        log = os.open(run_folder / LOG_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(log)
        limit_own_log(partial(_is_in, run_folder))
        # What is embedded ahead has no run that could fail, and ends for a run that comes.
        _carry_out(
            spec_file,
            (lambda message: None) if _is_ahead(spec_file) else send,
            warm,
            lambda: not spec_files.has_run(),
        )


class SpecFiles:
    """The spec files that wait, in the order in which they came."""

    def __init__(self) -> None:
        self._files: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._runs: queue.SimpleQueue[str] = queue.SimpleQueue()

    def put(self, spec_file: str) -> None:
        self._files.put(spec_file)
        if not _is_ahead(spec_file):
            self._runs.put(spec_file)

    def has_run(self) -> bool:
        """Say whether a training run waits."""
        return not self._runs.empty()

    def next(self) -> str:
        """Wait for a spec file, and return it; what would be embedded ahead of others is left out.

        Labels may come faster than their photos are embedded. Whatever waits behind embeds the
        same photos and newer ones, and a run would have to wait for each.
        """
        spec_file = self._files.get()
        while _is_ahead(spec_file) and not self._files.empty():
            spec_file = self._files.get()
        if not _is_ahead(spec_file):
            self._runs.get()
        return spec_file


def _is_ahead(spec_file: str) -> bool:
    return Path(spec_file).name == AHEAD_NAME


def _is_in(folder: Path, path: Path) -> bool:
    return path.parent == folder


def _carry_out(
    spec_file: str,
    send: Send,
    warm: WarmBackbone,
    should_continue: Callable[[], bool] = lambda: True,
) -> int:
    """Carry out one spec file, and return the exit code that says how that ended.

    Only embedding ahead asks `should_continue`, between two batches.
    """
    try:
        spec = TrainingSpec.read(Path(spec_file))
        if spec.only_embeds:
            embed_ahead(spec, warm, should_continue)
        else:
            send(learn(spec, send, warm))
    except ServeryError as error:
        send(TrainingFailure(error.what, error.advice))
        return 1
    except (OSError, MemoryError, RuntimeError) as error:
        send(refusal(error, spec_file))
        return 1
    return 0


if __name__ == "__main__":
    exit_code = main()
    # TensorFlow takes about a second to free what the operating system frees anyway.
    with contextlib.suppress(OSError):  # the log may be on a full disk
        sys.stderr.flush()
    os._exit(exit_code)
