"""Arrow values as JSON text: the row of a columnar file as the record that a feed of JSON would have.

That text is what a row is judged by, and what a reject keeps. What JSON has no notation for is a string: dates
and times in ISO 8601 (an instant in UTC with ``Z``, a local time without; no fraction where the second is whole),
bytes as the text they are, numbers that are not finite by their names. A map is an object, a duration its number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    Array = pa.Array[Any]


_quoted = json.JSONEncoder(ensure_ascii=False).encode
_NOT_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}
_FRACTION_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_DAY_MILLISECONDS = 86_400_000


def record_texts(batch: pa.RecordBatch) -> list[bytes]:
    """The rows of a batch, each as a JSON object without white space, with every column, nulls included.

    Text that is not UTF-8 is in it byte for byte, so that the record is not UTF-8 either.
    """
    names = batch.schema.names
    texts = _objects(names, [value_texts(column) for column in batch.columns], batch.num_rows)
    return [text.encode("utf-8", "surrogateescape") for text in texts]


def value_texts(array: Array) -> list[str]:
    """The JSON text of each value; bytes that are not UTF-8 are carried as lone surrogates."""
    values = unwrapped(array)
    texts = _writer(values.type)(values.drop_null() if values.null_count else values)
    if not values.null_count:
        return texts
    remaining = iter(texts)
    return [next(remaining) if is_valid else "null" for is_valid in values.is_valid().to_pylist()]


def unwrapped(array: Array) -> Array:
    """The values themselves, of an array that numbers them or gives them a meaning of its own."""
    if isinstance(array, pa.DictionaryArray):
        return unwrapped(array.dictionary_decode())
    if isinstance(array, pa.ExtensionArray) and not isinstance(array.type, pa.UuidType):
        return unwrapped(array.storage)
    return array


def is_text(data_type: pa.DataType) -> bool:
    """Whether values are texts; bytes are, because files have texts that are not marked as such."""
    return any(matches(data_type) for matches in _TEXT_TYPES)


def _objects(names: Sequence[str], columns: Sequence[Sequence[str]], count: int) -> list[str]:
    if not names:
        return ["{}"] * count
    template = ",".join(f"{_quoted(name)}:".replace("%", "%%") + "%s" for name in names)
    return list(map(f"{{{template}}}".__mod__, zip(*columns, strict=True)))


def _texts(array: Array) -> list[str]:
    texts: list[Any] = array.cast(pa.large_binary()).to_pylist()
    return [_quoted(text.decode("utf-8", "surrogateescape")) for text in texts]


def _nulls(_array: Array) -> list[str]:
    return []


def _booleans(array: Array) -> list[str]:
    return ["true" if value else "false" for value in array.to_pylist()]


def _whole_numbers(array: Array) -> list[str]:
    return list(map(str, array.to_pylist()))


def _floats(array: Array) -> list[str]:
    values: list[Any] = array.to_pylist()
    return [repr(value) if math.isfinite(value) else f'"{_NOT_FINITE.get(value, "NaN")}"' for value in values]


def _decimals(array: Array) -> list[str]:
    return [f"{value:f}" for value in array.to_pylist()]


def _days(array: Array) -> list[str]:
    return [f'"{day}"' for day in _iso(days_of(array).astype("datetime64[D]"))]


def _moments(array: Array) -> list[str]:
    moment = cast("pa.TimestampType[Any, Any]", array.type)
    zone = "" if moment.tz is None else "Z"
    return [f'"{text}{zone}"' for text in _iso_times(array, moment.unit)]


def _times_of_day(array: Array) -> list[str]:
    times = cast("pa.Time64Type[Any]", array.type)
    return [f'"{text.partition("T")[2]}"' for text in _iso_times(array, times.unit)]


def _durations(array: Array) -> list[str]:
    return list(map(str, counts_of(array).tolist()))


def _structs(array: Array) -> list[str]:
    fields = [cast("pa.StructArray", array).field(place) for place in range(array.type.num_fields)]
    names = [array.type.field(place).name for place in range(array.type.num_fields)]
    return _objects(names, [value_texts(field) for field in fields], len(array))


def _lists(array: Array) -> list[str]:
    elements = iter(value_texts(cast("pa.ListArray[Any]", array).flatten()))
    return [f"[{','.join(some)}]" for some in _shared_out(elements, array)]


def _maps(array: Array) -> list[str]:
    entries_type = pa.struct([array.type.key_field, array.type.item_field])
    lists = cast("pa.ListArray[Any]", array.cast(pa.list_(entries_type)))
    entries = cast("pa.StructArray", lists.flatten())
    keys = (key if key.startswith('"') else _quoted(key) for key in value_texts(entries.field(0)))
    members = (f"{key}:{value}" for key, value in zip(keys, value_texts(entries.field(1)), strict=True))
    return [f"{{{','.join(some)}}}" for some in _shared_out(members, lists)]


def _others(array: Array) -> list[str]:
    return [_quoted(str(value)) for value in array.to_pylist()]


def _shared_out(elements: Iterator[str], lists: Array) -> Iterator[Iterator[str]]:
    return (islice(elements, length) for length in pc.list_value_length(lists).to_pylist())


def counts_of(array: Array) -> NDArray[np.int64]:
    """Dates, times and durations as the numbers they are kept as; zero for null."""
    numbers = array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())
    return numbers.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)


def days_of(array: Array) -> NDArray[np.int64]:
    """Dates as days since 1970; zero for null."""
    counts = counts_of(array)
    return counts if pa.types.is_date32(array.type) else counts // _DAY_MILLISECONDS


def _iso_times(array: Array, unit: str) -> list[str]:
    whole_second = "." + "0" * _FRACTION_DIGITS[unit]
    times = counts_of(array).astype(f"datetime64[{unit}]")
    return [text.removesuffix(whole_second) for text in _iso(times)]


def _iso(times: NDArray[np.datetime64]) -> list[str]:
    texts: list[str] = np.datetime_as_string(times).tolist()
    return texts


_TEXT_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_WRITERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Array], list[str]]], ...] = (
    (is_text, _texts),
    (pa.types.is_null, _nulls),
    (pa.types.is_boolean, _booleans),
    (pa.types.is_integer, _whole_numbers),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_date, _days),
    (pa.types.is_timestamp, _moments),
    (pa.types.is_time, _times_of_day),
    (pa.types.is_duration, _durations),
    (pa.types.is_struct, _structs),
    (pa.types.is_map, _maps),
    (pa.types.is_nested, _lists),
)


def _writer(data_type: pa.DataType) -> Callable[[Array], list[str]]:
    return next((writer for matches, writer in _WRITERS if matches(data_type)), _others)
