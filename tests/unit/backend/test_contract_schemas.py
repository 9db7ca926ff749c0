"""What Pydantic makes of the contract's dataclasses is made once."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass

import pytest
from pydantic import TypeAdapter, ValidationError

from backend import contract
from backend.contract_schemas import _ATTRIBUTE, keep_schemas


def test_each_dataclass_of_the_contract_keeps_its_schema() -> None:
    keep_schemas()
    kinds = [each for each in vars(contract).values() if is_dataclass(each)]
    kept = [vars(each)[_ATTRIBUTE] for each in kinds]
    keep_schemas()
    assert all(vars(each)[_ATTRIBUTE] is one for each, one in zip(kinds, kept, strict=True))


def test_pydantic_takes_a_schema_that_is_kept() -> None:
    """Or each route would make it again, without a word."""

    @dataclass
    class Anything:
        number: int

    setattr(Anything, _ATTRIBUTE, TypeAdapter(str).core_schema)
    taken: object = TypeAdapter(list[Anything]).validate_python(["a text"])
    assert taken == ["a text"]


@pytest.mark.parametrize(
    ("changed", "value"),
    [("automatic", 1), ("automatic", "true"), ("after_labels", True), ("after_labels", "20")],
)
def test_nothing_is_converted_to_a_number_or_a_boolean(changed: str, value: object) -> None:
    keep_schemas()
    adapter = TypeAdapter(contract.TrainingSettings)
    settings: dict[str, object] = {"automatic": True, "after_labels": 20}
    assert adapter.validate_python(settings) == contract.TrainingSettings()
    with pytest.raises(ValidationError):
        adapter.validate_python({**settings, changed: value})
