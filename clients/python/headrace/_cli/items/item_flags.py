"""The flags for reading and choosing items, written once for every command that takes them."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypedDict, Unpack, get_type_hints

import typer

from headrace._cli.execution import BadInputError
from headrace._data.items import Items, read_items, with_keys
from headrace.errors import InvalidArgumentError

ItemsOption = Annotated[
    str,
    typer.Option(
        "--items",
        metavar="FILE",
        help="File or glob of items: JSON lines, one JSON array, CSV, TSV, Parquet or Arrow, also "
        "compressed with gzip or zstd. Use - for stdin.",
    ),
]


class ItemFlags(TypedDict, total=False):
    """The flag of each option of ``read_items``, under the name of the option."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Format of the files: jsonl, json, csv, tsv, parquet or arrow. Default: found by their "
            "names or first bytes.",
        ),
    ]
    encoding: Annotated[
        str | None,
        typer.Option(
            "--encoding",
            metavar="NAME",
            help="Encoding of text files. Default: UTF-8, UTF-16 or Windows-1252, by their first bytes.",
        ),
    ]
    delimiter: Annotated[
        str | None,
        typer.Option("--delimiter", metavar="MARK", help="Delimiter of CSV. Default: by its first rows."),
    ]
    infer_types: Annotated[
        bool | None,
        typer.Option(
            "--infer-types",
            help="Read cells of CSV as numbers, true and false where they are. Default: all are text.",
        ),
    ]
    on_nan: Annotated[
        str | None,
        typer.Option(
            "--on-nan",
            metavar="EFFECT",
            help="Effect of NaN and empty cells of tables: null or refuse. Default: null.",
        ),
    ]
    dedupe_by: Annotated[
        list[str] | None,
        typer.Option(
            "--dedupe-by",
            metavar="FIELD",
            help="Drop items whose value of this field came before. Repeatable: all values together.",
        ),
    ]
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            metavar="COUNT",
            min=1,
            help="Choose this number of items at random, the same ones in every run.",
        ),
    ]
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="COUNT", min=1, help="Maximum number of items.")
    ]
    select: Annotated[
        list[str] | None,
        typer.Option("--select", metavar="FIELD", help="Keep only this field of each item. Repeatable."),
    ]
    rename: Annotated[
        list[str] | None,
        typer.Option("--rename", metavar="OLD=NEW", help="Rename a field of each item. Repeatable."),
    ]


def takes_item_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Shows ``ItemFlags`` in the place of a command's parameter ``item_flags``, which gets their values."""
    flags = get_type_hints(ItemFlags, include_extras=True)
    signature = inspect.signature(command)

    def with_items(*args: Any, **values: Any) -> None:
        given = {name: values.pop(name) for name in flags}
        command(*args, **values, item_flags=given)

    shown: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name == "item_flags":
            shown += [_flag(name, annotation) for name, annotation in flags.items()]
        else:
            shown.append(parameter)
    with_items.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    with_items.__doc__, with_items.__name__ = command.__doc__, command.__name__
    return with_items


def items_of_flags(path: str, key: str | None = None, **flags: Unpack[ItemFlags]) -> Items:
    """Returns the items that the flags describe. The files are read later.

    Args:
        path: Files to read.
        key: Field that holds the key of each item. Default: items have no keys.
        flags: The flags.

    Raises:
        BadInputError: A flag is wrong.
    """
    options: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    if "rename" in options:
        options["rename"] = dict(_renamed(text) for text in options["rename"])
    if "delimiter" in options:
        options["delimiter"] = options["delimiter"].replace("\\t", "\t")
    try:
        items: Items = with_keys(read_items(path, **options), key)
        return items
    except InvalidArgumentError as error:
        raise BadInputError(error.message) from None


def _renamed(text: str) -> tuple[str, str]:
    old, mark, new = text.partition("=")
    if not (old and mark and new):
        raise BadInputError(f"--rename must be OLD=NEW, not {text!r}")
    return old, new


def _flag(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
