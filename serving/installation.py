"""Whether the packages that are installed beside Servery fit together."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from serving.errors import ServeryError

_REPAIR = "`python3 run.py` in Servery's folder installs what is right"


class PackageMissing(ServeryError):
    """Servery cannot run without this package."""


def find_fault() -> ServeryError | None:
    """Return what is wrong with the packages of TensorFlow, and what to do; takes a millisecond.

    Both of these come from installing by other ways than the lock file, and neither shows
    before something fails that does not say why.
    """
    if getattr(sys, "frozen", False):
        return None
    if importlib.util.find_spec("tensorflow_serving") is None:
        return PackageMissing(
            "The package tensorflow-serving-api is not installed, and Servery needs it.",
            "Install it without what it needs: `pip install --no-deps tensorflow-serving-api`."
            f" Or: {_REPAIR}.",
        )
    tensorflow = importlib.util.find_spec("tensorflow")
    for folder in map(Path, tensorflow.submodule_search_locations or () if tensorflow else ()):
        names = ("tensorflow", "tensorflow_cpu")
        if all(any(folder.parent.glob(f"{name}-[0-9]*.dist-info")) for name in names):
            return ServeryError(
                "The packages tensorflow and tensorflow-cpu are both installed and have"
                " overwritten each other's files.",
                "Remove both (`pip uninstall tensorflow tensorflow-cpu`) and install one again:"
                f" {_REPAIR}.",
            )
    return None
