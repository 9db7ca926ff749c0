"""The program that says which backbone a version has.

`python -m backend.training.backbone` is a `serving.job_program`: it takes the folder of a version
and answers with the hash of its backbone, empty for a version without a head that could learn.
Parsing a graph of 30 MB holds up everything else in a process for a tenth of a second.
"""

from __future__ import annotations

import os
from pathlib import Path

from backend.training.head import ServableGraph
from serving.errors import ModelError
from serving.job_program import be_job


def backbone_of(folder: str) -> str:
    """Return the hash under which embeddings of a version are cached; empty for none."""
    try:
        return ServableGraph(Path(folder)).backbone_hash()
    except ModelError:
        return ""


if __name__ == "__main__":
    exit_code = be_job(lambda folder, report: backbone_of(folder))
    os._exit(exit_code)
