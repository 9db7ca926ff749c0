"""`python -m serving.exporting.program`: exports a version in a process of its own.

It takes an ExportRequest and answers with an ExportedVersion; see `serving.job_program`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serving.exporting.export_version import export_version
from serving.exporting.request import ExportRequest
from serving.job_program import be_job
from serving.json_decode import decode
from serving.progress import Report


def main() -> int:
    return be_job(_handle)


def _handle(raw: dict[str, Any], report: Report) -> Mapping[str, Any]:
    request = decode(ExportRequest, raw)
    os.umask(request.umask)
    done = export_version(
        Path(request.version_folder),
        request.format,
        Path(request.target),
        [Path(photo) for photo in request.photos],
        report,
        replace=request.replace,
    )
    return asdict(done)


if __name__ == "__main__":
    exit_code = main()
    # TensorFlow's threads would take part in the end of the interpreter.
    os._exit(exit_code)
