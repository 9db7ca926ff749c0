"""What starting the server costs."""

from __future__ import annotations

import subprocess
import sys


def test_the_server_never_imports_tensorflow() -> None:
    code = (
        "import sys; import serving.model_server.server; "
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"
