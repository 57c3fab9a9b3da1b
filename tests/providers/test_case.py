"""A mistake in a file of cases is named."""

import pytest

from tests.providers.case import FILE, read_cases


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {name: a, send: {}, expect: {retry: X}, sent: {}}", "'a' has unknown keys \\['sent'\\]"),
        ("- {name: a, send: {bodi: x}, expect: {retry: X}}", "unknown keys \\['bodi'\\]"),
        ("- {name: a, send: {}, expect: {wait: 1}}", "outcomes \\[\\]"),
        ("- {name: a, send: {}, expect: {retry: X, fails: X}}", "outcomes \\['retry', 'fails'\\]"),
        (
            "[{name: a, send: {}, expect: {retry: X}}, {name: a, send: {}, expect: {retry: X}}]",
            "these names occur twice: a",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path, text, words):
    path = tmp_path / "cases.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_cases(path)


def test_a_list_of_statuses_is_a_case_of_each():
    names = {case.name for case in read_cases(FILE)}
    assert {"status 429", "status 503", "status 598"} <= names
    assert len(names) > 300
