"""Which role a token needs for which request. What is not listed takes `administer`."""

from __future__ import annotations

import re

from serving.named_tokens import TokenRole

_NAME = r"[^/]+"
_CLASSIFY = (
    # The page and its parts, which show what the token lets them ask for.
    ("GET", r"/(page\.css|icon\.svg|openapi\.json)?"),
    ("GET", r"/(api|dropped_files|explanation|page|photo_card|photo_list)\.js"),
    ("GET", r"/(healthz|health|readyz|metrics|events)"),
    ("POST", r"/classify"),
    ("GET", rf"/models(/{_NAME}(/classes)?)?"),
)
_LABEL = (
    # Not all below /labels: what is added there later is closed until it is listed.
    ("GET POST", r"/labels"),
    ("POST", r"/labels/batch"),
    ("GET", r"/labels/(actions|conflicts)"),
    ("DELETE", r"/labels/(actions/)?[0-9]+"),
    ("GET POST", r"/pool"),
    ("GET", r"/(queue|clusters|label-issues|training)"),
    ("GET", rf"/images/{_NAME}(/labels)?"),
    ("GET", rf"/models/{_NAME}/photos"),
)


def _compiled(
    table: tuple[tuple[str, str], ...],
) -> tuple[tuple[frozenset[str], re.Pattern[str]], ...]:
    return tuple((frozenset(methods.split()), re.compile(path)) for methods, path in table)


_TABLES = ((TokenRole.CLASSIFY, _compiled(_CLASSIFY)), (TokenRole.LABEL, _compiled(_LABEL)))


def needed_role(method: str, path: str) -> TokenRole:
    """Return the least role that may send a request."""
    method = "GET" if method == "HEAD" else method
    for role, table in _TABLES:
        if any(method in methods and pattern.fullmatch(path) for methods, pattern in table):
            return role
    return TokenRole.ADMINISTER
