"""How a share of the requests is written on the command line."""

from __future__ import annotations

import click
import pytest

from desktop.commands.models.canary import ShareType


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0.1", 0.1), ("2.5%", 0.025)])
def test_a_share_is_a_percentage_or_a_fraction(text: str, share: float) -> None:
    assert ShareType().convert(text, None, None) == share


@pytest.mark.parametrize("text", ["0%", "100%", "1", "-5%", "ten", "", "1e-3", "5 %"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        ShareType().convert(text, None, None)
