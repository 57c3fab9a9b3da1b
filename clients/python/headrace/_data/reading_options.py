"""Options for reading rows."""

from dataclasses import dataclass
from typing import Literal, get_args

from headrace._data.faults import invalid_data

Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "arrow"]
OnNan = Literal["null", "refuse"]


@dataclass(frozen=True)
class ReadingOptions:
    """Options for reading rows, checked when they are made.

    Attributes:
        format: Format of the files. None: found by their names and first bytes.
        encoding: Encoding of text files. None: found by their first bytes.
        delimiter: Delimiter of CSV, one character. None: found in the first rows.
        infer_types: Whether cells of CSV become numbers, true and false where they read as JSON.
        on_nan: Effect of NaN and of an empty cell. None: null for files and tables, refused in Python values.
    """

    format: Format | None = None
    encoding: str | None = None
    delimiter: str | None = None
    infer_types: bool = False
    on_nan: OnNan | None = None

    def __post_init__(self) -> None:
        _check("format", self.format, get_args(Format))
        _check("on_nan", self.on_nan, get_args(OnNan))
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise invalid_data("delimiter must be one character, such as ; or a tab")
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except (LookupError, UnicodeError):
                raise invalid_data(
                    f"encoding {self.encoding!r} is not known: name one such as utf-8"
                ) from None

    @property
    def refuses_missing(self) -> bool:
        """Whether an empty cell of a table is refused."""
        return self.on_nan == "refuse"


def _check(name: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise invalid_data(f"{name} must be one of {', '.join(known)}, not {value!r}")
