"""The end of the model server's process."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

from serving.model_server.crash_record import stop_recording
from serving.model_server.load_threads import is_loading


def end_process(status: int) -> NoReturn:
    """End this process with an exit code, also while threads load models.

    Such a thread is within C code, which nothing can end, and aborts the process if it comes back
    to a Python that is being taken down. That would count as a crash of OpenVINO, and the next
    processes would serve the same model on TensorFlow.
    """
    if not is_loading():
        sys.exit(status)
    stop_recording()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
