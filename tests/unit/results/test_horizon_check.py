"""The check for transactions that hold back changes."""

import structlog
from prometheus_client import REGISTRY

from services.results.pages.horizon_check import HorizonCheck


def seconds():
    return REGISTRY.get_sample_value("headrace_change_horizon_age")


def test_a_horizon_that_stands_for_over_5_s_is_logged_once_and_measured():
    now = [0.0]
    check = HorizonCheck(lambda: now[0])
    with structlog.testing.capture_logs() as logs:
        for moment, horizon, next_xid, expected in [
            (0, 10, 10, 0),  # nothing is open
            (60, 10, 10, 0),
            (61, 10, 12, 0),  # a transaction has begun
            (66, 10, 15, 0),
            (67, 10, 15, 6),
            (70, 10, 20, 9),
            (71, 20, 20, 0),  # it has ended
            (72, 20, 25, 0),
            (76, 22, 25, 0),  # another one is the oldest
            (80, 22, 25, 0),
            (82, 22, 25, 6),
        ]:
            now[0] = moment
            check.note(horizon, next_xid)
            assert seconds() == expected, moment
    assert [entry["event"] for entry in logs] == ["changes_held_back"] * 2
    assert [entry["oldest_xid"] for entry in logs] == [10, 22]
