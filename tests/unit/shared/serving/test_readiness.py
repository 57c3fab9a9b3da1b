import asyncio

import pytest
from structlog.testing import capture_logs

from services.shared.serving.readiness import LOST_SECONDS, REMINDER_SECONDS, Need, Readiness, address_of


class Service:
    """A service with needs, on a clock that stands."""

    def __init__(self, **needs):
        self.now = 0.0
        self.needs = {
            name: Need(name, f"{name}:1", clock=lambda: self.now, **options)
            for name, options in needs.items()
        }
        self.reports = []
        self.readiness = Readiness(list(self.needs.values()), self._report, clock=lambda: self.now)

    async def _report(self, ready):
        self.reports.append(ready)

    async def run(self, seconds, *answering):
        """Lets time pass, in steps of the check. Named needs answer all the time."""
        for _ in range(round(seconds / 0.25)):
            self.now += 0.25
            for name in answering:
                self.needs[name].note_answer()
            await self.readiness.check()


@pytest.fixture
def logs():
    with capture_logs() as lines:
        yield lines


async def test_a_service_is_ready_once_all_needs_have_answered(logs):
    service = Service(store={}, queue={})
    await service.run(1, "store")
    assert service.reports == []
    await service.run(1, "store", "queue")
    assert service.reports == [True]
    assert [line["event"] for line in logs] == ["service_ready"]


async def test_a_silent_need_makes_the_service_not_ready_after_10_s_and_an_answer_ready_at_once(logs):
    service = Service(store={}, queue={})
    await service.run(1, "store", "queue")
    await service.run(LOST_SECONDS - 0.25, "store")
    assert service.reports == [True]
    await service.run(0.25, "store")
    assert service.reports == [True, False]
    await service.run(0.25, "store", "queue")
    assert service.reports == [True, False, True]
    assert [line["event"] for line in logs] == ["service_ready", "service_not_ready", "service_ready"]


async def test_a_service_says_every_10_s_which_need_is_missing_and_why(logs):
    service = Service(store={}, queue={})
    service.needs["queue"].note_failure("ConnectionRefusedError")
    await service.run(2 + 3 * REMINDER_SECONDS, "store")
    assert len(logs) == 4
    assert logs[0] == {
        "event": "service_not_ready",
        "log_level": "warning",
        "need": "queue",
        "address": "queue:1",
        "error": "ConnectionRefusedError",
    }


async def test_one_answer_is_enough_for_a_lasting_need():
    service = Service(store={"lasting": True})
    await service.run(1)
    await service.run(1, "store")
    await service.run(10 * LOST_SECONDS)
    assert service.reports == [True]


async def test_a_need_with_parts_is_met_while_all_of_them_answer():
    service = Service(queue={"parts": ("a", "b")})
    service.needs["queue"].note_answer("a")
    await service.run(0.25)
    assert service.reports == []
    service.needs["queue"].note_answer("b")
    await service.run(0.25)
    assert service.reports == [True]


async def test_an_answer_of_one_part_does_not_hide_the_failure_of_another():
    service = Service(queue={"parts": ("a", "b")})
    service.needs["queue"].note_failure("refused", "b")
    service.needs["queue"].note_answer("a")
    assert service.needs["queue"].error == "refused"
    service.needs["queue"].note_answer("b")
    assert service.needs["queue"].error == ""


async def test_the_time_in_which_the_process_was_frozen_does_not_count():
    service = Service(store={})
    await service.run(1, "store")
    service.now += 60.0
    await service.readiness.check()
    assert service.reports == [True]
    await service.run(LOST_SECONDS)
    assert service.reports == [True, False]


async def test_a_started_service_checks_until_it_is_stopped():
    service = Service(store={})
    service.needs["store"].note_answer()
    service.readiness.start()
    async with asyncio.timeout(10):
        while not service.reports:
            await asyncio.sleep(0)
    await service.readiness.stop()
    assert service.reports == [True]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://user:secret@db:5432/headrace?password=secret", "db:5432/headrace"),
        ("amqp://user:se%40cret@rabbit/vhost", "rabbit/vhost"),
        ("amqp://user:secret@[::1]:5672", "[::1]:5672"),
        ("sqlite:////data/headrace.db", "//data/headrace.db"),
    ],
)
def test_the_address_of_a_url_holds_no_secret(url, address):
    assert address_of(url) == address
