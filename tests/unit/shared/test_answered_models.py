"""Names of models that answered for another one are few, short and printable."""

import pytest

from services.shared.answered_models import merge_models


@pytest.mark.parametrize(
    ("groups", "merged"),
    [
        ([], []),
        ([["a"], ["b", "a"]], ["a", "b"]),
        ([["a", "b"], ["c", "d", "e"]], ["a", "b", "c", "d"]),
        ([[""], [" \n "]], []),
        ([["a\nb", "c\x1b"]], ["a b", "c"]),
        ([["x" * 300]], ["x" * 100]),
    ],
)
def test_names_are_merged(groups, merged):
    assert merge_models(*groups) == merged
