"""TLS with an engine on another machine: who it is, and who this person is."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from serving.engines.docker.endpoints import TlsFiles
from serving.engines.docker.errors import EngineUnavailable


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Return what checks the engine's certificate and shows ours; raises EngineUnavailable."""
    for path in (files.certificate, files.key):
        if not path.is_file():
            raise EngineUnavailable(
                f"There is no {path.name} in {files.folder}, which shows it who you are."
            )
    if not files.verify:
        raise EngineUnavailable(
            "Its Docker context skips the check of its certificate, so anybody on the way could "
            "be the engine: make the context again without skip-tls-verify."
        )
    try:
        # Without an authority of its own, those count that this machine trusts.
        authority = str(files.authority) if files.authority.is_file() else None
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise EngineUnavailable(
            f"The certificates in {files.folder} cannot be used: {_words(error)}."
        ) from error
    return context


def tls_fault(error: BaseException) -> str:
    """Say as a sentence what is wrong with TLS; empty if that is not why `error` was raised."""
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return (
                "Its certificate is not to be trusted, so it may not be the engine: "
                f"{each.verify_message.rstrip('.')}."
            )
        if isinstance(each, ssl.SSLEOFError):
            return "It breaks off: most likely it does not accept the certificate in cert.pem."
        if isinstance(each, ssl.SSLError):
            if "ALERT" in (each.reason or ""):
                return f"It does not accept the certificate in cert.pem: {_words(each)}."
            return f"TLS with it fails: {_words(each)}."
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was made of; `requests` passes them as arguments, too."""
    seen: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        each = pending.pop(0)
        if not isinstance(each, BaseException) or each in seen:
            continue
        seen.append(each)
        yield each
        pending += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return str(getattr(error, "strerror", None) or error).rstrip(".")
