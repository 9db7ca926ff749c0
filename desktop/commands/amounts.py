"""Amounts of memory as a person writes them."""

from __future__ import annotations

import re

import click

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_AMOUNT = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def bytes_of(amount: str) -> int:
    """Return a number of bytes: `512MB` and `1.5g` count by 1,000, `512MiB` by 1,024.

    Raises BadParameter.
    """
    found = _AMOUNT.fullmatch(amount)
    if found is None:
        raise click.BadParameter(f"{amount} is not an amount of memory such as 512MB or 2GB.")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()])
