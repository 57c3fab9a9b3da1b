import pytest

from headrace import JsonText, read_items

ROWS = [{"id": number, "group": number % 3, "text": f"t{number}"} for number in range(100)]
LINE = JsonText('{"big": 123456789012345678901234567890, "price": 1.50, "a": "x"}')


def test_a_limit_stops_reading():
    def endless():
        while True:
            yield {"a": 1}

    assert list(read_items(endless(), limit=2)) == [{"a": 1}] * 2


def test_duplicates_are_dropped_by_one_or_several_fields():
    assert [row["id"] for row in read_items(ROWS, dedupe_by=["group"])] == [0, 1, 2]
    assert len(list(read_items(ROWS * 2, dedupe_by=["group", "text"]))) == 100


def test_a_sample_is_the_same_in_every_run_and_in_order():
    first = [row["id"] for row in read_items(ROWS, sample=10)]
    assert first == [row["id"] for row in read_items(ROWS, sample=10)]
    assert first == sorted(set(first))
    assert len(first) == 10
    assert first != list(range(10))
    assert len(list(read_items(ROWS, sample=1000))) == 100


def test_each_item_has_the_same_chance_in_a_sample():
    rows = [{"n": number} for number in range(20)]
    chosen = [row["n"] for count in range(1, 20) for row in read_items(rows, sample=count)]
    assert set(chosen) == set(range(20))


def test_fields_are_selected_and_renamed_by_their_old_names():
    items = read_items(ROWS, limit=1, select=["text", "id"], rename={"text": "title"})
    assert [list(item.items()) for item in items] == [[("title", "t0"), ("id", 0)]]
    assert list(read_items(ROWS, limit=1, rename={"id": "key"})) == [{"key": 0, "group": 0, "text": "t0"}]


def test_the_steps_have_the_order_of_the_arguments():
    items = list(read_items(ROWS, dedupe_by=["group"], sample=2, limit=1, select=["text"]))
    assert len(items) == 1
    assert set(items[0]) == {"text"}


async def test_numbers_of_json_text_keep_every_digit(client, gateway):
    await client.submit("noop", read_items([LINE, LINE], dedupe_by=["big"], rename={"price": "cost"}))
    assert list(gateway.requests[0].items) == ['{"big":123456789012345678901234567890,"cost":1.50,"a":"x"}']


def test_an_item_that_only_passes_stays_as_it_is_written():
    assert list(read_items([LINE], dedupe_by=["a"], sample=1, limit=1)) == [LINE]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"select": ["none"]}, "item 0 has no field 'none'; it has 'id', 'group', 'text'"),
        ({"rename": {"none": "x"}}, "item 0 has no field 'none'"),
        ({"dedupe_by": ["none"]}, "item 0 has no field 'none'"),
        ({"rename": {"id": "text"}}, "two fields 'text'"),
    ],
)
def test_a_field_that_no_item_has_is_refused_with_those_it_has(refusal, options, expected):
    assert expected in refusal(read_items(ROWS, **options))


def test_an_item_without_fields_is_refused(refusal):
    assert "item 1 is not an object" in refusal(read_items([{"a": 1}, 5], select=["a"]))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"limit": 0}, "limit must be a number of items"),
        ({"sample": 0.5}, "sample must be a number of items"),
        ({"select": "title"}, "select must be a list"),
        ({"on_nan": "drop"}, "on_nan must be one of null, refuse"),
        ({"format": "xlsx"}, "format must be one of jsonl"),
        ({"limit": True}, "limit must be a number of items"),
        ({"encoding": "undefined"}, "encoding 'undefined' is not known"),
        ({"encoding": "utf-9"}, "encoding 'utf-9' is not known"),
        ({"delimiter": "||"}, "delimiter must be one character"),
    ],
)
def test_a_wrong_option_is_refused_at_the_call(refusal, options, expected):
    assert expected in refusal(lambda: read_items(ROWS, **options))


def test_a_source_that_has_no_items_is_refused(refusal):
    async def stream():
        yield 1

    assert "pass it to submit itself" in refusal(lambda: read_items(stream()))
    assert "must be rows" in refusal(read_items({"a": 1}))
    assert "must be rows" in refusal(read_items(5))
