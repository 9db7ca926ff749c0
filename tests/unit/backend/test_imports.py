"""The backend is light: nothing of it loads TensorFlow but its worker, when it learns."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["backend.http_app", "backend.__main__", "backend.client", "backend.training.worker"]
)
def test_importing_it_leaves_tensorflow_alone(module: str) -> None:
    program = (
        f"import sys, {module}\n"
        "heavy = {'tensorflow', 'tensorflow.python', 'keras'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_client_needs_no_web_framework() -> None:
    program = (
        "import sys, backend.client\n"
        "sys.exit(str({'fastapi', 'uvicorn', 'pydantic', 'numpy'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert not done.stderr.strip(), done.stderr
