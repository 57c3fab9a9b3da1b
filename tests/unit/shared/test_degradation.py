import pytest
from prometheus_client import CollectorRegistry, Gauge
from structlog.testing import capture_logs

from services.shared.degradation import Degradation
from services.shared.logging import get_logger

LOG = get_logger(__name__)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_each_change_is_logged_once_with_the_details_of_the_first_failure():
    degradation = Degradation(LOG, "limits")
    with capture_logs() as logs:
        degradation.note_success()
        degradation.note_failure(error="TimeoutError")
        degradation.note_failure(error="OSError")
        degradation.note_success()
        degradation.note_success()
    assert logs == [
        {"event": "limits_degraded", "log_level": "warning", "error": "TimeoutError"},
        {"event": "limits_restored", "log_level": "info"},
    ]


def test_a_failure_is_followed_by_a_rest_which_the_next_failure_begins_again(clock):
    degradation = Degradation(LOG, "limits", 2.0, clock=clock)
    assert not degradation.is_resting
    degradation.note_failure()
    clock.now += 1.9
    assert degradation.is_resting
    clock.now += 0.1
    assert not degradation.is_resting
    assert degradation.is_degraded  # nothing has worked since
    degradation.note_failure()
    assert degradation.is_resting


def test_without_a_rest_the_next_use_may_follow_at_once(clock):
    degradation = Degradation(LOG, "cooldowns", clock=clock)
    degradation.note_failure()
    assert (degradation.is_degraded, degradation.is_resting) == (True, False)


def test_the_gauge_is_1_while_degraded():
    registry = CollectorRegistry()
    degradation = Degradation(LOG, "limits", gauge=Gauge("degraded", "", registry=registry))
    degradation.note_failure()
    assert registry.get_sample_value("degraded") == 1
    degradation.note_success()
    assert registry.get_sample_value("degraded") == 0
