import io
import json
import random

import pytest

from headrace._cli.execution import BadInputError
from headrace._cli.items.items_file import read_items
from headrace._cli.items.json_array import JsonArray

MB = 1024 * 1024


@pytest.fixture
def items_of(tmp_path):
    """Returns the items of a file with this content."""

    def read(content):
        path = tmp_path / "items"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_items(str(path)))

    return read


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"n":  1.50}, "a", null]', ['{"n":  1.50}', '"a"', "null"]),
        ('[\n  {"a": "],["},\n  12\n]\n\n', ['{"a": "],["}', "12"]),
        ("\ufeff \n[1,\r\n2]\r\n", ["1", "2"]),
        ('["\\"[", "\\\\"]', ['"\\"["', '"\\\\"']),
        ("[[1], [2]]", ["[1]", "[2]"]),
        ("[1]\n[2]\n", ["[1]", "[2]"]),
        ("[1]\n\n{}\n", ["[1]", "{}"]),
        ('\ufeff{"a": 1}\r\n\r\n2', ['{"a": 1}', "2"]),
    ],
)
def test_a_file_is_json_lines_or_one_array(items_of, content, expected):
    assert items_of(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[]", "has no items"),
        ("[ \n ]", "has no items"),
        ("", "has no items: it must have a JSON value on each line, or be one JSON array"),
        ("[1, 2", "ends after element 2"),
        ("[1 2]", "needs a comma after element 1"),
        ("[1,\n nope]", "element 2 is not JSON"),
        ("[1,\n NaN]", "element 2 is not JSON"),
        ("[1,]", "element 2 is not JSON"),
        ("[\n1]\n2", "text after the ] of its array"),
        ("[\n" + "[" * 100_000, "element 1 is nested too deeply"),
        (b'[\n"\xff"]', "is not UTF-8"),
        ('[\n"' + "x" * (MB + 1) + '"]', "element 1 exceeds 1 MB"),
        ('[\n1, "' + "x" * 5 * MB, "element 2 is not JSON"),
        ('{\n  "a": 1\n}', "line 1 is not JSON"),
        ("id,title\n1,Cook\n", "or be one JSON array"),
        (b"\x80\x01" + b"\0" * 100, "line 1 is not JSON"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b"PK\x03\x04rest", "spreadsheet"),
        ("[1]".encode("utf-16"), "UTF-16"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_another_file_is_refused_in_one_line_that_says_what_is_wanted(items_of, content, expected):
    if (
        isinstance(content, bytes)
        and content[:1] in (b"[", b"\x1f", b"P")
        and expected == "line 1 is not JSON"
    ):
        content = b"\x80" + content
    with pytest.raises(BadInputError) as error:
        items_of(content)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def test_items_before_a_fault_are_read_first(tmp_path):
    path = tmp_path / "items"
    path.write_text("[1, 2, oops]")
    items = read_items(str(path))
    assert [next(items), next(items)] == ["1", "2"]
    with pytest.raises(BadInputError, match="element 3"):
        next(items)


@pytest.mark.parametrize("path", ["DIRECTORY", "/nowhere", ""])
def test_a_path_that_cannot_be_read_is_named(tmp_path, path):
    with pytest.raises(BadInputError, match="cannot read") as error:
        list(read_items(str(tmp_path) if path == "DIRECTORY" else path))
    assert "Is a directory" in str(error.value) or "No such file" in str(error.value)


def test_a_large_array_is_read_in_pieces_of_any_size(monkeypatch):
    chooser = random.Random(1)
    items = [
        {"n": n, "text": 'ä"]\\[{🙂' * chooser.randrange(40), "more": [[n], {"a": None}, -n * 1.5]}
        for n in range(500)
    ]
    content = json.dumps(items, indent=chooser.choice([None, 2]), ensure_ascii=False).encode()

    class Pieces(io.BytesIO):
        def read(self, _):
            return super().read(chooser.randrange(1, 400))

    elements = list(JsonArray(content[:1], Pieces(content[1:]), "file").elements())
    assert [json.loads(text) for text in elements] == items


def test_a_file_that_grows_is_read_to_its_end_of_that_moment(tmp_path):
    path = tmp_path / "items"
    path.write_text("1\n2\n")
    items = read_items(str(path))
    assert next(items) == "1"
    with path.open("a") as more:
        more.write("3\n")
    assert list(items) == ["2", "3"]
