"""The items of a source: files, DataFrames, tables and Python values, chosen and shaped on their way."""

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, TypeGuard

from headrace._data.faults import invalid_data
from headrace._data.item_keys import Key, KeyedItem, KeyReader, keyed_values
from headrace._data.reading_options import Format, OnNan, ReadingOptions
from headrace._data.shaping import Shaping
from headrace._data.tables import series_values, table_rows
from headrace._messages.json_text import JsonText
from headrace._messages.plain_values import ValueRefusedError, plain


class Items:
    """Items for ``submit`` and ``estimate``, made by ``read_items``. Each iteration reads the source again.

    A generator can be read once.
    """

    def __init__(
        self, source: Any, options: ReadingOptions, shaping: Shaping, key_reader: KeyReader | None = None
    ) -> None:
        self._source = source
        self._options = options
        self._shaping = shaping
        self._key_reader = key_reader

    def __iter__(self) -> Iterator[Any]:
        values = _values(self._source, self._options)
        if self._key_reader is not None:
            return self._keyed(values, self._key_reader)
        return values if self._shaping == Shaping() else self._shaping.apply(values)

    def _keyed(self, values: Iterator[Any], reader: KeyReader) -> Iterator[KeyedItem]:
        for number, value in self._shaping.chosen(values):
            yield KeyedItem(self._shaping.shaped(value, number), reader.read(value, number))

    def _with_keys(self, reader: KeyReader) -> "Items":
        """Returns these items with keys, which are read from the items of the source."""
        return Items(self._source, self._options, self._shaping, reader)

    @classmethod
    def _reads_files(cls, items: object) -> bool:
        return isinstance(items, cls) and _is_of_files(items._source)


def read_items(
    source: Any,
    *,
    format: Format | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    infer_types: bool = False,
    on_nan: OnNan | None = None,
    dedupe_by: Sequence[str] = (),
    sample: int | None = None,
    limit: int | None = None,
    select: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
) -> Items:
    """Returns the items of files, of a DataFrame or a table, or of Python values, for ``submit``.

    Files are read in bounded memory: JSON lines, one JSON array, CSV, TSV, Parquet and Arrow, each also
    compressed with gzip or zstd. Each row of a table is an item with the columns as fields. Every cell of CSV
    stays text, so that 007 and 1e5 keep their form. An empty cell, NaN and NaT are null.

    The steps after reading have the order of their arguments here: duplicates, sample, limit, fields.

    Args:
        source: Path or glob of files, ``-`` for stdin, a list of these as ``pathlib.Path``, a DataFrame of
            pandas or polars, an Arrow table or any object with ``__arrow_c_stream__``, or an iterable of
            values. Parquet and Arrow need pyarrow or polars (``headrace[arrow]``); zstd needs
            ``headrace[zstd]``.
        format: Format of the files: jsonl, json, csv, tsv, parquet or arrow. Default: found by their names,
            or else by their first bytes.
        encoding: Encoding of text files. Default: UTF-8, UTF-16 or Windows-1252, by their first bytes.
            Other text is refused.
        delimiter: Delimiter of CSV. Default: comma, tab, semicolon or bar, by the first rows.
        infer_types: Whether cells of CSV become numbers, true and false where they read as JSON. 007 stays
            text.
        on_nan: "null": NaN, NaT and empty cells are null. "refuse": they are refused by row and column.
            Default: null in files and tables; in Python values NaN is refused.
        dedupe_by: Fields whose equal values make an item a duplicate. The first one stays.
        sample: Number of items to choose at random, the same ones in every run. Default: all.
        limit: Maximum number of items. Default: all.
        select: Fields to keep. Default: all.
        rename: New names of fields, by their old ones.

    Raises:
        InvalidArgumentError: An option is wrong. The iteration raises it for a source that cannot be read:
            the message names file, row and column, and the remedy.
    """
    options = ReadingOptions(
        format=format, encoding=encoding, delimiter=delimiter, infer_types=infer_types, on_nan=on_nan
    )
    shaping = Shaping(
        dedupe_by=dedupe_by, sample=sample, limit=limit, select=select, rename=dict(rename or {})
    )
    if isinstance(source, AsyncIterable):
        raise invalid_data("read_items reads no async generator: pass it to submit itself")
    return Items(source, options, shaping)


def reads_files(items: object) -> TypeGuard[Items]:
    """Returns whether reading the items may wait for a file or for stdin."""
    return Items._reads_files(items)


def items_of(source: Any) -> Any:
    """Returns the items of a table or of a file named by a ``pathlib.Path``, or else the source itself."""
    if isinstance(source, PurePath):
        return Items(source, ReadingOptions(), Shaping())
    rows = table_rows(source)
    if rows is not None:
        return rows
    values = series_values(source)
    return source if values is None else _with_null(values)


def with_keys(items: Iterable[Any] | AsyncIterable[Any], key: Key | None) -> Any:
    """Returns items that are read with their keys, as ``KeyedItem``; unchanged without a key.

    Args:
        items: Items of ``items_of``.
        key: Name of the field that holds the key of an item, or a function that returns it. With
            ``read_items``, it is read before fields are selected and renamed.

    Raises:
        InvalidArgumentError: The key is neither.
    """
    if key is None:
        return items
    reader = KeyReader(key)
    return items._with_keys(reader) if isinstance(items, Items) else keyed_values(items, reader)


def _values(source: Any, options: ReadingOptions) -> Iterator[Any]:
    if _is_of_files(source):
        from headrace._data.files.reading import file_items

        return file_items([source] if isinstance(source, (str, PurePath)) else source, options)
    rows = table_rows(source, refuses_missing=options.refuses_missing)
    if rows is not None:
        return rows
    values = series_values(source)
    if values is not None and options.on_nan is None:
        return _with_null(values)
    values = source if values is None else values
    if isinstance(values, (bytes, Mapping)) or not isinstance(values, Iterable):
        raise invalid_data(f"items must be rows, a table or the path of a file, not {type(source).__name__}")
    return _with_null(values) if options.on_nan == "null" else iter(values)


def _is_of_files(source: Any) -> bool:
    if isinstance(source, (list, tuple)):
        return bool(source) and all(isinstance(each, PurePath) for each in source)
    return isinstance(source, (str, PurePath))


def _with_null(values: Iterable[Any]) -> Iterator[Any]:
    for number, value in enumerate(values):
        try:
            yield value if isinstance(value, JsonText) else plain(value, nan_as_null=True)
        except ValueRefusedError as error:
            raise invalid_data(f"items[{number}] cannot be written as JSON: {error}") from None
