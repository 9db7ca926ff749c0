"""Databases are told from each other by what may be written down."""

from __future__ import annotations

import pytest

from backend.contract import database_name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("", ""),
        ("postgresql://ann:secret@db.example:5433/labels", "db.example:5433/labels"),
        ("postgresql://db/labels?user=ann&password=secret&sslmode=require", "db/labels"),
        ("postgresql:///labels?host=/run/pg&sslpassword=secret", "/labels?host=/run/pg"),
        ("postgresql://ann:sec:ret@db/labels", "db/labels"),
        ("postgresql://db:secret/labels", ""),
    ],
)
def test_no_password_is_in_it(url: str, name: str) -> None:
    assert database_name(url) == name
