"""Certificates for an engine and for those who may use it, of an authority of the tests' own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def unavailable_reason() -> str:
    """Return why there can be no certificates here; empty if there can."""
    return "" if shutil.which("openssl") else "certificates need openssl"


class Authority:
    """Signs certificates, and keeps each with its key in a folder as Docker names them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self._certificate, self._key = folder / "ca.pem", folder / "ca-key.pem"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=the tests' authority"),
            *("-keyout", str(self._key), "-out", str(self._certificate)),
        )

    def issue(self, name: str, address: str = "") -> Path:
        """Return a folder with `ca.pem`, `cert.pem` and `key.pem`.

        It is of a server at this IP address, or of a client if there is none.
        """
        folder = self._folder / name
        folder.mkdir()
        shutil.copy(self._certificate, folder / "ca.pem")
        extensions = folder / "extensions"
        usage = "serverAuth" if address else "clientAuth"
        lines = [f"extendedKeyUsage={usage}", f"subjectAltName=IP:{address}" if address else ""]
        extensions.write_text("\n".join(lines))
        request = folder / "request.pem"
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", str(folder / "key.pem"), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-days", "2", "-in", str(request), "-extfile", str(extensions)),
            *("-CA", str(self._certificate), "-CAkey", str(self._key), "-CAcreateserial"),
            *("-out", str(folder / "cert.pem")),
        )
        return folder


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
