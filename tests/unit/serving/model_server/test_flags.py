"""The command line."""

from __future__ import annotations

import pytest

from serving.model_server.flags import Flags, InvalidFlag, parse, usage


def test_the_defaults_are_the_originals() -> None:
    flags = parse([])[0]
    assert (flags.port, flags.rest_api_port, flags.model_name) == (8500, 0, "default")
    assert (flags.file_system_poll_wait_seconds, flags.max_num_load_retries) == (1, 5)
    assert flags.rest_api_timeout_in_ms == 30_000
    assert (flags.enable_batching, flags.enable_model_warmup) == (False, True)
    assert flags.saved_model_tags == "serve"
    assert flags.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--port=1", Flags(port=1)),
        ("--model_name=m=n", Flags(model_name="m=n")),
        ("--model_base_path=", Flags()),
        ("--enable_batching", Flags(enable_batching=True)),
        ("--enable_batching=true", Flags(enable_batching=True)),
        ("--enable_model_warmup=false", Flags(enable_model_warmup=False)),
        ("--enable_model_warmup=0", Flags(enable_model_warmup=False)),
    ],
)
def test_flags_are_parsed(argument: str, expected: Flags) -> None:
    assert parse([argument])[0] == expected


def test_unknown_arguments_are_kept_apart() -> None:
    flags, unknown = parse(["--nonsense=1", "stray", "--port=2"])
    assert unknown == ("--nonsense=1", "stray")
    assert flags.port == 2


@pytest.mark.parametrize("argument", ["--port=x", "--port", "--enable_batching=maybe"])
def test_values_that_cannot_be_read(argument: str) -> None:
    with pytest.raises(InvalidFlag, match=argument[2:].partition("=")[0]):
        parse([argument])


def test_the_usage_names_every_flag() -> None:
    text = usage()
    assert "--port=8500" in text
    assert "--enable_batching=false" in text
