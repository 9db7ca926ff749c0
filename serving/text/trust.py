"""The words for what a person can do about a version that nobody has trusted."""

from __future__ import annotations

from serving.text.shell import quoted


def trust_advice(model: str, version: int) -> str:
    """Say how a person trusts a version that is refused."""
    command = f"servery models trust {quoted(model)} --version {version}"
    return f"If you trust its author, say so on the Models page, or with `{command}`."
