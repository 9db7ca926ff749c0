"""The certificate by which a server encrypts what it sends and receives."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServeryError


class CertificateError(ServeryError):
    """A certificate, or its key, cannot be used."""


@dataclass(frozen=True)
class CertificateFiles:
    """A certificate with those that it is signed by, and its key, in files in PEM form."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return what a server encrypts with: TLS 1.2 or newer. Raises CertificateError."""
        for what, path in (("certificate", self.certificate), ("key", self.key)):
            if not path.is_file():
                raise CertificateError(
                    f"There is no file {path}.", f"Give the file of the {what} in PEM form."
                )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except _Encrypted as error:
            raise CertificateError(
                f"The key {self.key} is encrypted with a password.",
                f"Write one without: `openssl pkey -in {self.key} -out plain.pem`.",
            ) from error
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise CertificateError(
                    f"The key {self.key} is not that of the certificate {self.certificate}.",
                    "Give the two that were made together.",
                ) from error
            raise CertificateError(
                f"The certificate {self.certificate} with the key {self.key} cannot be read.",
                "Give both in PEM form, the certificate before those that it is signed by.",
            ) from error
        except OSError as error:
            raise CertificateError(
                f"The certificate or its key cannot be read: {error.strerror}.",
                f"See that you may read {self.certificate} and {self.key}.",
            ) from error
        return context


class _Encrypted(Exception):
    pass


def _no_password() -> str:
    # Without this, OpenSSL would ask at the terminal, and wait for an answer.
    raise _Encrypted
