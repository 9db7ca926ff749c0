"""Files of PyTorch weights are read without running what they say."""

from __future__ import annotations

import io
import os
import pickle
import random
import sys
import tracemalloc
import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.errors import ModelError
from serving.models.builtin.torch_weights import FORMAT, MAGIC, read_torch_weights

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


class Storage:
    """Stands for the values of a tensor, which a file keeps outside of its pickles."""

    def __init__(self, key: str, values: Any, **changed: Any) -> None:
        self.key, self.values = key, values
        count = changed.get("count", len(values))
        kind = torch().FloatStorage if values.dtype == np.float32 else torch().LongStorage
        self.id = ("storage", changed.get("kind", kind), key, "cpu", count, changed.get("view"))


class Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.id if isinstance(obj, Storage) else None


class Tensor:
    """Pickles as PyTorch's tensors do."""

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any) -> None:
        self.arguments: tuple[Any, ...] = (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self) -> Any:
        return torch_utils()._rebuild_tensor_v2, self.arguments


class Attack:
    """Pickles as a call of `os.getcwd`."""

    def __reduce__(self) -> Any:
        return os.getcwd, ()


def torch() -> Any:
    return sys.modules["torch"]


def torch_utils() -> Any:
    return sys.modules["torch._utils"]


@pytest.fixture(autouse=True)
def torch_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put modules in the place of PyTorch's, so that names of it can be pickled."""
    for module, names in {
        "torch": ("FloatStorage", "LongStorage", "HalfStorage"),
        "torch._utils": ("_rebuild_tensor_v2", "_rebuild_parameter"),
    }.items():
        fake = types.ModuleType(module)
        for name in names:
            setattr(fake, name, type(name, (), {"__module__": module}))
        monkeypatch.setitem(sys.modules, module, fake)


def file_of(
    weights: Any,
    storages: tuple[Storage, ...] = (),
    *,
    magic: Any = MAGIC,
    end: bytes = b"",
    protocol: int = 2,
) -> bytes:
    out = io.BytesIO()
    machine = {"protocol_version": FORMAT, "little_endian": True, "type_sizes": {"int": 4}}
    keys = [storage.key for storage in storages]
    for part in (magic, FORMAT, machine, weights, keys):
        Pickler(out, protocol).dump(part)
    for storage in storages:
        out.write(len(storage.values).to_bytes(8, "little") + storage.values.tobytes())
    return out.getvalue() + end


def good_file() -> bytes:
    kernel = Storage("1", KERNEL.ravel())
    count = Storage("2", np.array([7], np.int64))
    weights = OrderedDict(
        {
            "whole": Tensor(kernel, 0, (2, 3, 4), (12, 4, 1)),
            "turned": Tensor(kernel, 0, (4, 2, 3), (1, 12, 4)),
            "part": Tensor(kernel, 5, (3,), (2,)),
            "count": Tensor(count, 0, (), ()),
        }
    )
    weights._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]
    return file_of(weights, (kernel, count))


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Mapping[str, Any]]:
    def written_and_read(data: bytes) -> Mapping[str, Any]:
        path = tmp_path / "some.pth"
        path.write_bytes(data)
        return read_torch_weights(path)

    return written_and_read


Read = Callable[[bytes], Mapping[str, Any]]


def test_tensors_have_their_values_whatever_their_strides(read: Read) -> None:
    weights = read(good_file())
    assert list(weights) == ["whole", "turned", "part", "count"]
    np.testing.assert_array_equal(weights["whole"], KERNEL)
    np.testing.assert_array_equal(weights["turned"], KERNEL.transpose(2, 0, 1))
    np.testing.assert_array_equal(weights["part"], [5, 7, 9])
    assert weights["count"].dtype == np.int64
    assert weights["count"] == 7


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", ["as a weight", "instead of the magic number"])
def test_a_call_is_refused_by_name_and_not_made(read: Read, protocol: int, place: str) -> None:
    weights = OrderedDict({"weight": Attack()})
    data = file_of(weights, protocol=protocol)
    if place != "as a weight":
        data = file_of(OrderedDict(), magic=Attack(), protocol=protocol)
    with pytest.raises(ModelError, match=r"it names posix\.getcwd, which no weights need"):
        read(data)


def test_other_names_of_pytorch_are_refused(read: Read) -> None:
    half = Storage("1", KERNEL.ravel(), kind=torch().HalfStorage)
    with pytest.raises(ModelError, match=r"it names torch\.HalfStorage"):
        read(file_of(OrderedDict({"weight": Tensor(half, 0, (1,), (1,))}), (half,)))


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ([1, 2], "it holds no dictionary"),
        (OrderedDict(weight=7), "'weight' is not a tensor"),
        (OrderedDict(inner=OrderedDict()), "'inner' is not a tensor"),
        ({3: 7}, "a key of its dictionary is not text"),
        ({"weight": 0.5}, "it has the instruction BINFLOAT"),
    ],
)
def test_anything_but_a_dictionary_of_tensors_is_refused(
    read: Read, weights: Any, why: str
) -> None:
    with pytest.raises(ModelError, match=why):
        read(file_of(weights))


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (25,), (1,)),
        (20, (5,), (1,)),
        (0, (3, 9), (8, 1)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (1 << 40,), (0,)),
        (0, (-2, -3), (1, 1)),
        (0, (2, 2), (1,)),
        (True, (2,), (1,)),
        (0, ("2",), (1,)),
        (0, 2, 1),
        (0, (1,) * 9, (1,) * 9),
    ],
)
def test_a_tensor_stays_within_its_values(
    read: Read, offset: Any, shape: Any, strides: Any
) -> None:
    storage = Storage("1", KERNEL.ravel())
    data = file_of(OrderedDict(weight=Tensor(storage, offset, shape, strides)), (storage,))
    with pytest.raises(ModelError, match="not a file of weights"):
        read(data)


@pytest.mark.parametrize("changed", [{"count": 23}, {"count": 1 << 60}, {"view": ("1", 0, 3)}])
def test_values_are_as_many_as_the_dictionary_says(read: Read, changed: dict[str, Any]) -> None:
    storage = Storage("1", KERNEL.ravel(), **changed)
    data = file_of(OrderedDict(weight=Tensor(storage, 0, (2,), (1,))), (storage,))
    with pytest.raises(ModelError, match="not a file of weights"):
        read(data)


def test_an_empty_a_foreign_and_a_longer_file_are_refused(read: Read, tmp_path: Path) -> None:
    for data in (b"", b"PK\x03\x04", b"GIF89a", pickle.dumps({"a": 1}), good_file() + b"\0"):
        with pytest.raises(ModelError, match=r"some\.pth is not a file of weights, or is damaged"):
            read(data)
    with pytest.raises(ModelError, match=r"weights in none\.pth cannot be read: No such file"):
        read_torch_weights(tmp_path / "none.pth")


def test_a_damaged_file_is_refused_or_read_and_takes_no_memory(read: Read) -> None:
    whole = good_file()
    rng = random.Random(7)
    tracemalloc.start()
    try:
        for length in range(0, len(whole), 5):
            with pytest.raises(ModelError):
                read(whole[:length])
        for _ in range(1000):
            damaged = bytearray(whole)
            for _ in range(rng.choice([1, 1, 2, 8])):
                damaged[rng.randrange(len(whole))] = rng.randrange(256)
            try:
                read(bytes(damaged))  # a changed value is still a value
            except ModelError:
                continue
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()
