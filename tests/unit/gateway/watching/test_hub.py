import asyncio
from types import SimpleNamespace

import pytest

from headrace.errors import NotFoundError, UnavailableError
from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.hub import UNSEEN_SECONDS, Hub
from services.gateway.watching.topic import ALONE_AFTER_SECONDS, LIVE_SECONDS, MAX_LIVE_EVENTS
from services.stubs.results.v1 import results_pb2 as pb

JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def job(seq: int, job_id: str = JOB_ID) -> jobs_pb2.Job:
    return jobs_pb2.Job(job_id=job_id, seq=seq)


@pytest.fixture
async def hub() -> Hub:
    return Hub()


async def test_snapshots_that_arrive_faster_than_they_are_read_are_merged_to_the_newest(hub):
    with hub.watch(JOB_ID, 0) as watcher:
        hub.put_jobs([job(1), job(2), job(3)])
        assert (await watcher.next()).job.seq == 3
        hub.put_jobs([job(4)])
        assert (await watcher.next()).job.seq == 4


async def test_an_older_snapshot_never_follows_a_newer_one(hub):
    with hub.watch(JOB_ID, 0) as watcher:
        hub.put_jobs([job(5)])
        assert (await watcher.next()).job.seq == 5
        hub.put_jobs([job(4), job(5)])
        hub.put_jobs([job(6)])
        assert (await watcher.next()).job.seq == 6


async def test_a_watcher_gets_only_snapshots_newer_than_it_has_seen(hub):
    with hub.watch(JOB_ID, 5) as watcher:
        hub.put_jobs([job(5)])
        reading = asyncio.create_task(watcher.next())
        await asyncio.sleep(0)
        assert not reading.done()
        hub.put_jobs([job(6)])
        assert (await reading).job.seq == 6


async def test_a_second_watcher_gets_the_newest_snapshot_and_the_first_one_nothing_twice(hub):
    with hub.watch(JOB_ID, 0) as first:
        hub.put_jobs([job(2)])
        await first.next()
        with hub.watch(JOB_ID, 0) as second:
            assert (await second.next()).job.seq == 2
            hub.put_jobs([job(3)])
            assert (await first.next()) is (await second.next())


async def test_snapshots_of_other_jobs_leave_nothing_behind(hub):
    with hub.watch(JOB_ID, 0):
        hub.put_jobs([job(1, "01890a5d-ac96-774b-bcce-b302099a8058")])
        assert hub.watched_job_count == 1
    assert hub.watched_job_count == 0


async def test_the_hub_empties_when_the_last_watcher_goes(hub):
    with hub.watch(JOB_ID, 0):
        with hub.watch(JOB_ID, 0):
            pass
        assert hub.watched_job_count == 1
    assert hub.watched_job_count == 0


@pytest.fixture
def clock(hub, monkeypatch):
    """The hub's clock; tests set its ``now``."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(hub, "_loop", SimpleNamespace(time=lambda: clock.now))
    return clock


def live(incarnation="w1", **numbers):
    return jobs_pb2.LiveEvent(incarnation=incarnation, **numbers)


async def test_live_events_of_many_workers_are_limited_and_all_of_them_count(hub, clock):
    with hub.watch(JOB_ID, 3) as watcher:
        for number in range(MAX_LIVE_EVENTS + 10):
            hub.put_live_event(JOB_ID, live(f"w{number}", in_flight_count=2))
        clock.now += ALONE_AFTER_SECONDS
        hub.check_live_numbers()
        response = await watcher.next()
        assert [event.incarnation for event in response.live_events] == [
            f"w{number}" for number in range(10, MAX_LIVE_EVENTS + 10)
        ]
        assert response.forecast.in_flight_count == 2 * (MAX_LIVE_EVENTS + 10)
        assert not response.HasField("job")
        assert response.resume_token


async def test_the_newest_live_event_of_each_worker_counts(hub, clock):
    with hub.watch(JOB_ID, 3) as watcher:
        for number in (9, 4):
            hub.put_live_event(JOB_ID, live("w1", in_flight_count=number))
        hub.put_live_event(JOB_ID, live("w2", in_flight_count=3, limited_count=5, cooldown_seconds=3.25))
        clock.now += ALONE_AFTER_SECONDS
        hub.check_live_numbers()
        response = await watcher.next()
    assert [event.in_flight_count for event in response.live_events] == [4, 3]
    forecast = response.forecast
    assert (forecast.in_flight_count, forecast.limited_count, forecast.cooldown_seconds) == (7, 5, 2.0)


async def test_live_numbers_go_with_a_snapshot_and_not_again_alone(hub, clock):
    with hub.watch(JOB_ID, 0) as watcher:
        hub.put_jobs([job(1)])
        await watcher.next()
        hub.put_live_event(JOB_ID, live(in_flight_count=4))
        clock.now += LIVE_SECONDS
        hub.put_jobs([job(2)])
        both = await watcher.next()
        assert (both.job.seq, both.live_events[0].in_flight_count, both.forecast.in_flight_count) == (2, 4, 4)
        hub.check_live_numbers()
        hub.put_jobs([job(3)])
        only_job = await watcher.next()
        assert (only_job.job.seq, len(only_job.live_events), only_job.HasField("forecast")) == (3, 0, False)


async def test_live_numbers_go_alone_without_a_snapshot_and_once_for_all_watchers(hub, clock):
    with hub.watch(JOB_ID, 0) as one, hub.watch(JOB_ID, 0) as other:
        hub.put_jobs([job(1)])
        await one.next()
        await other.next()
        hub.put_live_event(JOB_ID, live(in_flight_count=4))
        clock.now += ALONE_AFTER_SECONDS
        hub.check_live_numbers()
        alone = await one.next()
        assert (alone.HasField("job"), alone.forecast.in_flight_count) == (False, 4)
        assert alone is await other.next()
        hub.put_live_event(JOB_ID, live(in_flight_count=5))
        clock.now += LIVE_SECONDS
        hub.put_jobs([job(2)])
        assert (await one.next()) is (await other.next())


async def test_the_first_live_numbers_wait_for_live_events_but_not_for_ever(hub, clock):
    running = jobs_pb2.JOB_STATE_RUNNING
    with hub.watch(JOB_ID, 0) as watcher:
        forecasts = []
        for second in range(6):
            progress = jobs_pb2.Progress(total_count=100, succeeded_count=10 * second)
            hub.put_jobs([jobs_pb2.Job(job_id=JOB_ID, seq=second + 1, state=running, progress=progress)])
            forecasts.append((await watcher.next()).HasField("forecast"))
            clock.now += LIVE_SECONDS
    assert forecasts == [False, False, False, True, True, True]


async def test_an_idle_job_sends_its_zeros_once(hub, clock):
    with hub.watch(JOB_ID, 0) as watcher:
        hub.put_jobs([job(1)])
        await watcher.next()
        hub.put_live_event(JOB_ID, live(in_flight_count=4))
        sent = []
        for _ in range(80):
            hub.check_live_numbers()
            if watcher._changed.is_set():
                sent.append((await watcher.next()).forecast)
            clock.now += 0.25
        assert [forecast.in_flight_count for forecast in sent] == [4, 0]


async def test_a_cool_down_runs_down_between_live_events(hub, clock):
    with hub.watch(JOB_ID, 3) as watcher:
        hub.put_live_event(JOB_ID, live(cooldown_seconds=9.0))
        clock.now += 2.0
        hub.check_live_numbers()
        assert (await watcher.next()).forecast.cooldown_seconds == pytest.approx(7.0)


async def test_the_terminal_snapshot_comes_without_live_numbers(hub, clock):
    with hub.watch(JOB_ID, 0) as watcher:
        hub.put_jobs([job(1)])
        hub.put_live_event(JOB_ID, live(in_flight_count=4))
        clock.now += LIVE_SECONDS
        hub.put_jobs([job(2)])
        hub.put_jobs([jobs_pb2.Job(job_id=JOB_ID, seq=3, state=jobs_pb2.JOB_STATE_SUCCEEDED)])
        last = await watcher.next()
        assert (last.job.seq, len(last.live_events), last.HasField("forecast")) == (3, 0, False)


async def test_a_new_watcher_gets_no_old_live_numbers(hub, clock):
    with hub.watch(JOB_ID, 0):
        hub.put_jobs([job(1)])
        hub.put_live_event(JOB_ID, live(in_flight_count=4))
        clock.now += LIVE_SECONDS
        hub.put_jobs([job(2)])
        with hub.watch(JOB_ID, 0) as late:
            assert not (await late.next()).live_events


async def test_quiet_jobs_are_returned_once_per_period_with_their_known_seq(hub):
    with hub.watch(JOB_ID, 0):
        hub.put_jobs([job(8)])
        assert hub.take_quiet_jobs(60) == []
        [known] = hub.take_quiet_jobs(0)
        assert (known.job_id, known.known_seq) == (JOB_ID, 8)


async def test_jobs_that_fell_quiet_at_different_times_are_soon_read_together(hub, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(hub, "_loop", SimpleNamespace(time=lambda: now[0]))
    other = JOB_ID.replace("a", "b")
    with hub.watch(JOB_ID, 0):
        now[0] = 100.4
        with hub.watch(other, 0):
            returned = []
            while now[0] < 104.0:
                now[0] += 0.25
                returned.append({known.job_id for known in hub.take_quiet_jobs(1.0)})
    assert [names for names in returned if names] == [{JOB_ID, other}] * 4


async def test_a_job_unseen_for_long_is_read_whatever_its_seq_and_is_seen_once_found(hub, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(hub, "_loop", SimpleNamespace(time=lambda: now[0]))
    with hub.watch(JOB_ID, 0):
        hub.put_jobs([job(8)])
        seqs = []
        for _ in range(3):
            now[0] += UNSEEN_SECONDS - 1
            known = hub.take_quiet_jobs(1.0)
            seqs.append(known[0].known_seq)
            hub.put_read_jobs(known, [job(8)] if not known[0].known_seq else [])
        assert seqs == [8, 0, 8]


async def test_the_watches_of_a_job_missing_from_the_store_end(hub):
    other = JOB_ID.replace("a", "b")
    with hub.watch(JOB_ID, 0) as watcher, hub.watch(other, 0) as still_there:
        hub.put_jobs([job(1), job(1, other)])
        await watcher.next()
        await still_there.next()
        known = [pb.KnownJob(job_id=JOB_ID, known_seq=0), pb.KnownJob(job_id=other, known_seq=1)]
        hub.put_read_jobs(known, [])
        with pytest.raises(NotFoundError):
            await watcher.next()
        still_there.check()


async def test_closing_ends_watches_now_and_later(hub):
    with hub.watch(JOB_ID, 0) as watcher:
        hub.put_jobs([job(1)])
        hub.close()
        with pytest.raises(UnavailableError) as caught:
            await watcher.next()
        assert caught.value.reason == "GATEWAY_STOPPING"
    with hub.watch(JOB_ID, 0) as late, pytest.raises(UnavailableError):
        await late.next()
