"""The program that reads models of others: `python -m serving.importing.program`.

It is a `serving.job_program` whose request is a ProgramRequest. It is ended to cancel it; all that
it writes is in the folder that it is given.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from serving.importing.interface import ProgramRequest
from serving.importing.sandbox import confine
from serving.job_program import be_job
from serving.json_decode import decode
from serving.progress import Report


def _handle(raw: Any, report: Report) -> Any:
    request = decode(ProgramRequest, raw)
    # Keras would import scikit-learn and SciPy for wrappers that no model needs. None makes the
    # import fail, as Python documents; typeshed knows modules alone.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    # Not before the limits hold.
    from serving.importing.tasks import carry_out

    return carry_out(request, report)


if __name__ == "__main__":
    # Not by way of the interpreter's end: whatever the model still does has no say any more.
    os._exit(be_job(_handle, confine))
