"""Shared states and reports survive as text, whatever other versions write."""

import json
import math

import pytest

from services.worker.calls.concurrency.encoding import (
    decode_report,
    decode_state,
    encode_report,
    encode_state,
)
from services.worker.calls.concurrency.fleet import Report
from services.worker.calls.concurrency.round import Round
from services.worker.calls.concurrency.rule import LimitState

STATE = LimitState(decision_id="d", limit=20.5, noise=0.1, quiet_until=107.0, counted={"w": (3, 1)})


def test_a_state_is_read_on_a_worker_with_another_clock():
    read = decode_state(encode_state(STATE, 100.0), age_seconds=2.0, now=5_000.0)
    assert read is not None
    assert read.quiet_until == pytest.approx(5_005.0)
    assert (read.limit, read.step, read.counted) == (20.5, math.inf, {"w": (3, 1)})


def test_a_report_is_read_as_written():
    report = Report(
        decision_id="d",
        calls=Round(begun_count=3, timeout_seconds=9.0),
        in_use_count=2,
        wanted_count=7,
        ceiling=9,
    )
    assert decode_report(encode_report(report)) == report


def test_unknown_fields_are_ignored_and_missing_ones_have_their_default():
    read = decode_state('{"limit": 5.0, "quiet_until": 1.0, "from_the_future": 1}', 0.0, 0.0)
    assert read is not None
    assert (read.limit, read.noise) == (5.0, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "7",
        "null",
        "{}",
        '{"quiet_until": "1"}',
        '{"quiet_until": 1, "limit": NaN}',
        '{"quiet_until": 1, "limit": "20"}',
        '{"quiet_until": 1, "counted": {"w": 3}}',
    ],
)
def test_a_text_that_is_not_a_state_is_none(text):
    assert decode_state(text, 0.0, 0.0) is None
    assert decode_report(text) is None


def test_a_report_of_something_else_is_none():
    good = json.loads(
        encode_report(Report(decision_id="d", calls=Round(), in_use_count=0, wanted_count=0, ceiling=1))
    )
    assert decode_report(json.dumps(good | {"wanted_count": "all"})) is None
    assert decode_report(json.dumps(good | {"calls": {"begun_count": None}})) is None
