import io
import json
import random

import pytest

from headrace import InvalidArgumentError, read_items
from headrace._data.files.json_array import JsonArray


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.ndjson", "rows.json", "rows"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"n":  1.50}, "a", null]', ['{"n":  1.50}', '"a"', "null"]),
        ('[\n  {"a": "],["},\n  12\n]\n\n', ['{"a": "],["}', "12"]),
        ("\ufeff \n[1,\r\n2]\r\n", ["1", "2"]),
        ('["\\"[", "\\\\"]', ['"\\"["', '"\\\\"']),
        ("[[1], [2]]", ["[1]", "[2]"]),
        ("[1]\n[2]\n", ["[1]", "[2]"]),
        ('\ufeff{"a": 1}\r\n\r\n2', ['{"a": 1}', "2"]),
        ('{"a": 1, "a": 2}\n', ['{"a": 1, "a": 2}']),
        ('{"1": 12345678901234567890123}\n', ['{"1": 12345678901234567890123}']),
    ],
)
def test_json_lines_and_one_array_are_sent_as_they_are_written(items_of, name, content, expected):
    assert items_of(content, name) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_json_may_be_utf_16(items_of, encoding):
    assert items_of('{"a": "ü"}\n{"b": 1}\n'.encode(encoding), "rows.jsonl") == ['{"a": "ü"}', '{"b": 1}']


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[]", "has no items"),
        ("", "has no items: it must have a JSON value on each line, or be one JSON array"),
        ("[1, 2", "ends after element 2"),
        ("[1 2]", "needs a comma after element 1"),
        ("[1,\n NaN]", "element 2 is not JSON"),
        ("[\n1]\n2", "text after the ] of its array"),
        ("[\n" + "[" * 100_000, "element 1 is nested too deeply"),
        (b'[\n"\xff"]', "is not UTF-8"),
        ('[\n"' + "x" * 1_100_000 + '"]', "element 1 exceeds 1 MB"),
        ('1\n"' + "x" * 1_100_000 + '"', "line 2 exceeds 1 MB"),
        ('{\n  "a": 1\n}', "line 1 is not JSON"),
        ('{"a": NaN}', "line 1 is not JSON"),
        ('1\n{"a": "\\ud83d"}', "line 2 (column 8) has half of an emoji"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_broken_file_is_refused_by_line_or_element(items_of, refusal, content, expected):
    message = refusal(lambda: items_of(content, "rows.json"))
    assert expected in message
    assert len(message) < 300


def test_items_before_a_fault_are_read_first(tmp_path):
    path = tmp_path / "items"
    path.write_text("[1, 2, oops]")
    items = iter(read_items(path))
    assert [next(items), next(items)] == ["1", "2"]
    with pytest.raises(InvalidArgumentError, match="element 3"):
        next(items)


@pytest.mark.parametrize("path", ["DIRECTORY", "/nowhere", ""])
def test_a_path_that_cannot_be_read_is_named(tmp_path, refusal, path):
    message = refusal(read_items(str(tmp_path) if path == "DIRECTORY" else path))
    assert "cannot read" in message
    assert "Is a directory" in message or "No such file" in message


def test_a_large_array_is_read_in_pieces_of_any_size():
    chooser = random.Random(1)
    items = [
        {"n": n, "text": 'ä"]\\[{🙂' * chooser.randrange(40), "more": [[n], {"a": None}, -n * 1.5]}
        for n in range(500)
    ]
    content = json.dumps(items, indent=2, ensure_ascii=False).encode()

    class Pieces(io.BytesIO):
        def read(self, _):
            return super().read(chooser.randrange(1, 400))

    elements = list(JsonArray(content[:1], Pieces(content[1:]), "file").elements())
    assert [json.loads(text) for text in elements] == items


def test_a_file_that_grows_is_read_to_its_end_of_that_moment(tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text("1\n2\n")
    items = iter(read_items(path))
    assert next(items) == "1"
    with path.open("a") as more:
        more.write("3\n")
    assert list(items) == ["2", "3"]
