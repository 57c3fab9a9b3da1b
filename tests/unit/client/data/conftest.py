import pytest

from headrace import InvalidArgumentError, read_items


@pytest.fixture
def items_of(tmp_path):
    """Returns the items of a file with this content and name."""

    def read(content, name="rows.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_items(str(path), **options))

    return read


@pytest.fixture
def refusal():
    """Returns the one-line message with which items are refused."""

    def refused(items):
        with pytest.raises(InvalidArgumentError) as caught:
            list(items() if callable(items) else items)
        assert "\n" not in caught.value.message
        return caught.value.message

    return refused
