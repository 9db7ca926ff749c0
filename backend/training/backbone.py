"""The program that says which backbone a version has.

`python -m backend.training.backbone` reads the folder of a version from its standard input and
answers with the hash of its backbone, empty for a version without a head that could learn. Parsing
a graph of 30 MB holds up everything else in a process for a tenth of a second.
"""

from __future__ import annotations

import os
from pathlib import Path

from backend.training.head import ServableGraph
from backend.training.json_program import answer
from serving.errors import ModelError


def backbone_of(folder: str) -> str:
    """Return the hash under which embeddings of a version are cached; empty for none."""
    try:
        return ServableGraph(Path(folder)).backbone_hash()
    except ModelError:
        return ""


if __name__ == "__main__":
    exit_code = answer(backbone_of)
    os._exit(exit_code)
