"""Why calls fail is logged once a minute and cause."""

import pytest
import structlog

from services.worker.calls.provider.fault_log import FaultLog


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_cause_is_logged_once_a_minute(clock):
    log = FaultLog("api.example.com", clock)
    with structlog.testing.capture_logs() as lines:
        for now in (0, 1, 59, 60, 61):
            clock.now = now
            log.note("PROVIDER_ERROR", status=500, kind="t", code="c", detail=f"at {now}")
    assert [line["detail"] for line in lines] == ["at 0", "at 60"]
    assert lines[0] == {
        "event": "provider_fault",
        "log_level": "warning",
        "provider": "api.example.com",
        "reason": "PROVIDER_ERROR",
        "status": 500,
        "type": "t",
        "code": "c",
        "detail": "at 0",
    }


@pytest.mark.parametrize(
    "other", [{"reason": "B"}, {"status": 502}, {"status": None}, {"kind": "u"}, {"code": "d"}]
)
def test_each_cause_is_logged(clock, other):
    log, cause = FaultLog("p", clock), {"reason": "A", "status": 500, "kind": "t", "code": "c"}
    with structlog.testing.capture_logs() as lines:
        log.note(**cause)
        log.note(**{**cause, **other})
        log.note(**cause, detail="other words of the same cause")
    assert len(lines) == 2


def test_causes_without_end_do_not_fill_the_memory(clock):
    log = FaultLog("p", clock)
    with structlog.testing.capture_logs():
        for number in range(3000):
            log.note("A", code=str(number))
    assert len(log._log_times) <= 1000
