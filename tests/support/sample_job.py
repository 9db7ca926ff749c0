"""A program as `serving.job_program` runs them: it does what its request says."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from serving.errors import ModelError
from serving.job_program import be_job
from serving.progress import Report


def handle(request: Any, report: Report) -> Any:
    match request["do"]:
        case "answer":
            print("This is no message.")
            report(1, 2, "Half of it")
            return {"n": request["n"], "session": os.getsid(0)}
        case "fail":
            raise ModelError("It is damaged.", "Copy it again.")
        case "wait":
            report(0, 0, str(os.getpid()))
            time.sleep(600)
        case "end":
            print("Something went wrong.", file=sys.stderr, flush=True)
            os._exit(7)
    raise ValueError(request)


if __name__ == "__main__":
    os._exit(be_job(handle))
