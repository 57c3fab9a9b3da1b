import asyncio
from types import SimpleNamespace

import pytest

from headrace.errors import NotFoundError, UnavailableError
from headrace.jobs.v1 import jobs_pb2
from headrace.results.v1 import results_pb2 as pb
from services.gateway.hub import MAX_WAITING_LIVE_EVENTS, UNSEEN_SECONDS, Hub

JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def job(seq: int, job_id: str = JOB_ID) -> jobs_pb2.Job:
    return jobs_pb2.Job(job_id=job_id, seq=seq)


@pytest.fixture
async def hub() -> Hub:
    return Hub()


async def test_snapshots_that_come_faster_than_they_are_read_are_merged_to_the_newest(hub):
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


async def test_a_watcher_gets_only_what_is_newer_than_it_knows(hub):
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


async def test_news_of_other_jobs_leave_nothing_behind(hub):
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


async def test_unread_live_events_are_bounded_and_the_newest_stay(hub):
    with hub.watch(JOB_ID, 3) as watcher:
        for number in range(MAX_WAITING_LIVE_EVENTS + 10):
            hub.put_live_event(JOB_ID, jobs_pb2.LiveEvent(in_flight_count=number))
        response = await watcher.next()
        assert len(response.live_events) == MAX_WAITING_LIVE_EVENTS
        assert response.live_events[-1].in_flight_count == MAX_WAITING_LIVE_EVENTS + 9
        assert not response.HasField("job")
        assert response.resume_token


async def test_live_events_travel_with_a_snapshot_that_waits(hub):
    with hub.watch(JOB_ID, 0) as watcher, hub.watch(JOB_ID, 0) as other:
        hub.put_jobs([job(1)])
        await other.next()
        hub.put_live_event(JOB_ID, jobs_pb2.LiveEvent(in_flight_count=4))
        both = await watcher.next()
        assert (both.job.seq, both.live_events[0].in_flight_count) == (1, 4)
        only_live = await other.next()
        assert (only_live.HasField("job"), only_live.live_events[0].in_flight_count) == (False, 4)


async def test_quiet_jobs_are_named_once_a_period_with_what_is_known_of_them(hub):
    with hub.watch(JOB_ID, 0):
        hub.put_jobs([job(8)])
        assert hub.quiet_jobs(60) == []
        [known] = hub.quiet_jobs(0)
        assert (known.job_id, known.known_seq) == (JOB_ID, 8)


async def test_jobs_that_fell_quiet_at_different_times_are_soon_named_together(hub, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(hub, "_loop", SimpleNamespace(time=lambda: now[0]))
    other = JOB_ID.replace("a", "b")
    with hub.watch(JOB_ID, 0):
        now[0] = 100.4
        with hub.watch(other, 0):
            named = []
            while now[0] < 104.0:
                now[0] += 0.25
                named.append({known.job_id for known in hub.quiet_jobs(1.0)})
    assert [names for names in named if names] == [{JOB_ID, other}] * 4


async def test_a_job_unseen_for_long_is_asked_for_whatever_its_seq_and_seen_when_it_is_answered(
    hub, monkeypatch
):
    now = [100.0]
    monkeypatch.setattr(hub, "_loop", SimpleNamespace(time=lambda: now[0]))
    with hub.watch(JOB_ID, 0):
        hub.put_jobs([job(8)])
        seqs = []
        for _ in range(3):
            now[0] += UNSEEN_SECONDS - 1
            asked = hub.quiet_jobs(1.0)
            seqs.append(asked[0].known_seq)
            hub.put_reading(asked, [job(8)] if not asked[0].known_seq else [])
        assert seqs == [8, 0, 8]


async def test_a_job_that_the_store_does_not_name_when_it_should_is_gone_for_its_watchers(hub):
    other = JOB_ID.replace("a", "b")
    with hub.watch(JOB_ID, 0) as watcher, hub.watch(other, 0) as still_there:
        hub.put_jobs([job(1), job(1, other)])
        await watcher.next()
        await still_there.next()
        asked = [pb.KnownJob(job_id=JOB_ID, known_seq=0), pb.KnownJob(job_id=other, known_seq=1)]
        hub.put_reading(asked, [])
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
