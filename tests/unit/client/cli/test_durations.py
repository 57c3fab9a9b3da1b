"""Durations on the command line."""

from datetime import timedelta

import pytest
import typer

from headrace._cli.durations import read_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("90s", 90), ("500ms", 0.5), ("1.5m", 90), ("2h", 7_200), ("7d", 604_800), ("0", 0)],
)
def test_lengths_of_time_have_a_plain_form(written, seconds):
    assert read_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["", "soon", "5 m", "-5", "1e3", "5w", "9" * 400, "\u0663", "5m\n"])
def test_a_text_that_is_not_a_duration_is_refused_with_examples(written):
    with pytest.raises(typer.BadParameter, match="90s"):
        read_duration(written)
