"""Watches of many jobs, through gateways with a real store on each database."""

import asyncio
from types import SimpleNamespace

import grpc
import pytest

from headrace.gateway.v1.gateway_pb2 import CancelJobRequest, PauseJobRequest, WatchJobsRequest
from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.many_jobs import change_feeds, jobs_stream, jobs_watcher, known_jobs
from services.results.app import ResultsApp
from services.results.database.database import Database
from services.results.database.migrations import migrate
from services.results.purging import purge_gone as gone
from services.results.purging.purger import Purger
from services.results.rows.job_labels import replace_name_and_labels
from services.results.settings import ResultsSettings
from services.results.transitions.pause_job import _pause_in
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2, results_pb2_grpc

CANCELLED, PAUSED = jobs_pb2.JOB_STATE_CANCELLED, jobs_pb2.JOB_STATE_PAUSED
PENDING, SUCCEEDED = jobs_pb2.JOB_STATE_PENDING, jobs_pb2.JOB_STATE_SUCCEEDED
TERMINAL = [8, 9, 10, 11]


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request, make_database, tmp_path):
    """The results service: ``target``, ``stub``, ``database`` and ``restart``."""
    url = make_database() if request.param == "postgresql" else f"sqlite:///{tmp_path / 'headrace.db'}"
    await migrate(url)

    async def start(listen):
        settings = ResultsSettings(listen=listen, database_url=url, drain_seconds=1, retention_hours=0)
        running.app = ResultsApp(settings)
        await running.app.start()

    async def restart(while_down=None):
        await running.app.stop()
        if while_down is not None:
            await while_down()
        await start(running.target)

    running = SimpleNamespace(restart=restart, sqlite=request.param == "sqlite", database=Database(url))
    await start("127.0.0.1:0")
    running.target = running.app.target
    async with grpc.aio.insecure_channel(running.target) as channel:
        running.stub = results_pb2_grpc.ResultsServiceStub(channel)
        yield running
    await running.app.stop()
    await running.database.close()


class Watch:
    """A stream of one watch, and everything that it has brought."""

    def __init__(self, gateway, tenant="default", **fields):
        metadata = (("headrace-tenant", tenant),)
        self.call = gateway.stub.WatchJobs(WatchJobsRequest(**fields), metadata=metadata)
        self.messages = []
        self.jobs = []
        self.token = ""

    async def read(self):
        async with asyncio.timeout(15):
            message = await self.call.read()
        assert message is not grpc.aio.EOF
        self.messages.append(message)
        self.jobs += message.jobs
        self.token = message.resume_token
        return message

    async def until(self, job_id, **expected):
        """Reads until a job comes with these values: state, left or deleted."""
        for one in self.jobs:
            if _is(one, job_id, expected):
                return one
        while True:
            for one in (await self.read()).jobs:
                if _is(one, job_id, expected):
                    return one

    def states_of(self, job_id):
        return [one.job.state for one in self.jobs if one.job.job_id == job_id]


def _is(one, job_id, expected):
    values = {"state": one.job.state, "left": one.left, "deleted": one.deleted}
    wanted = {"left": False, "deleted": False} | expected
    return one.job.job_id == job_id and all(values[name] == value for name, value in wanted.items())


@pytest.fixture
def cancel():
    async def cancel_job(gateway, job, tenant="default"):
        metadata = (("headrace-tenant", tenant),)
        await gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id), metadata=metadata)

    return cancel_job


async def update(store, job, name="", **labels):
    async def work(tx):
        transition = Transition(tx)
        locked = await transition.lock_owned(job.job_id, "default")
        replace_name_and_labels(tx, locked, name, labels)
        await transition.finish()

    await store.database.write(work)


async def purge(store):
    purger = Purger(store.database, 1e-9, work_share=1.0)
    await asyncio.sleep(0.01)
    await purger.purge_jobs()
    await purger.purge_rows()
    await purger.purge_rows()


async def test_a_watch_begins_with_the_live_jobs_and_brings_what_changes(gateway, submit, cancel):
    ended, live = await submit(gateway), await submit(gateway, name="n", labels={"a": "b"})
    await cancel(gateway, ended)
    await submit(gateway, tenant="other")
    watch = Watch(gateway)
    first = await watch.until(live.job_id, state=PENDING)
    assert (first.job.name, dict(first.job.labels)) == ("n", {"a": "b"})
    new = await submit(gateway)
    await watch.until(new.job_id)
    await cancel(gateway, live)
    await watch.until(live.job_id, state=CANCELLED)
    assert {one.job.job_id for one in watch.jobs} == {live.job_id, new.job_id}
    assert not any(message.reset for message in watch.messages)


async def test_a_change_at_another_gateway_arrives(gateway, start_gateway, submit, cancel):
    other = await start_gateway()
    job = await submit(gateway)
    watch = Watch(gateway)
    await watch.until(job.job_id)
    await cancel(other, job)
    await watch.until(job.job_id, state=CANCELLED)


async def test_a_watch_resumes_at_another_gateway_after_its_gateway_is_gone(
    gateway, start_gateway, submit, cancel, failure_of
):
    other = await start_gateway()
    jobs = [await submit(gateway) for _ in range(3)]
    watch = Watch(gateway)
    await watch.until(jobs[0].job_id)
    await gateway.app.drain()
    assert (await failure_of(watch.until("none"))).reason == "GATEWAY_STOPPING"
    await cancel(other, jobs[1])
    new = await submit(other)
    resumed = Watch(other, resume_token=watch.token)
    await resumed.until(jobs[1].job_id, state=CANCELLED)
    await resumed.until(new.job_id)
    assert jobs[0].job_id not in {one.job.job_id for one in resumed.jobs}


async def test_two_commits_in_reverse_order_both_reach_the_watches_at_two_gateways(
    store, gateway, start_gateway, submit
):
    gateways = [gateway, await start_gateway()]
    early, late = await submit(gateway), await submit(gateway)
    watches = [Watch(each, states=[PAUSED]) for each in gateways]
    for watch in watches:
        await watch.read()
    written, may_commit = asyncio.Event(), asyncio.Event()

    async def pause_slowly(tx):
        await _pause_in(tx, results_pb2.PauseJobRequest(job_id=late.job_id, tenant="default"))
        await tx.flush()
        written.set()
        await may_commit.wait()

    slow = asyncio.create_task(store.database.write(pause_slowly))
    await written.wait()
    quick = gateway.stub.PauseJob(PauseJobRequest(job_id=early.job_id))
    if not store.sqlite:  # SQLite has one writer.
        await quick
    # The feeds read in between, and other transactions end.
    await asyncio.sleep(2 * change_feeds.READ_SECONDS)
    if not store.sqlite:
        await submit(gateway)
    resumed = [Watch(each, states=[PAUSED], resume_token=watches[0].token) for each in gateways]
    may_commit.set()
    await slow
    await quick
    for watch in (*watches, *resumed):
        await watch.until(early.job_id, state=PAUSED)
        await watch.until(late.job_id, state=PAUSED)


async def test_a_restart_of_the_store_misses_nothing(store, gateway, submit):
    job, other = await submit(gateway), await submit(gateway)
    watch = Watch(gateway)
    await watch.until(job.job_id)

    async def pause():
        request = results_pb2.PauseJobRequest(job_id=job.job_id, tenant="default")
        await store.database.write(lambda tx: _pause_in(tx, request))

    await store.restart(while_down=pause)
    await watch.until(job.job_id, state=PAUSED)
    resumed = Watch(gateway, resume_token=watch.token)
    request = results_pb2.PauseJobRequest(job_id=other.job_id, tenant="default")
    await store.database.write(lambda tx: _pause_in(tx, request))
    await resumed.until(other.job_id, state=PAUSED)


async def test_a_purged_job_is_told_as_deleted_now_and_to_a_watch_that_resumes(
    store, gateway, submit, cancel
):
    job = await submit(gateway, labels={"a": "b"})
    watch, others = Watch(gateway, labels={"a": "b"}), Watch(gateway, labels={"a": "c"})
    await watch.until(job.job_id)
    await others.read()
    await cancel(gateway, job)
    await watch.until(job.job_id, state=CANCELLED)
    token = watch.token
    await purge(store)
    deleted = await watch.until(job.job_id, state=0, deleted=True)
    assert deleted.job == jobs_pb2.Job(job_id=job.job_id)
    resumed = Watch(gateway, labels={"a": "b"}, resume_token=token)
    await resumed.until(job.job_id, state=0, deleted=True)
    new = await submit(gateway, labels={"a": "c"})
    await others.until(new.job_id)
    assert not others.states_of(job.job_id)


async def test_a_job_that_no_longer_fits_is_sent_once_as_left(store, gateway, submit):
    job = await submit(gateway, labels={"team": "x"})
    watch = Watch(gateway, labels={"team": "x"})
    await watch.until(job.job_id)
    token = watch.token
    await update(store, job, team="y")
    await watch.until(job.job_id, left=True)
    await update(store, job, name="other", team="y")
    marker = await submit(gateway, labels={"team": "x"})
    await watch.until(marker.job_id)
    await asyncio.sleep(1.5)
    assert [one.left for one in watch.jobs if one.job.job_id == job.job_id] == [False, True]
    resumed = Watch(gateway, labels={"team": "x"}, resume_token=token)
    await resumed.until(job.job_id, left=True)
    await update(store, job, team="x")
    await watch.until(job.job_id)


async def test_a_watch_of_ends_hears_of_ends_only(gateway, submit, cancel):
    job = await submit(gateway)
    watch = Watch(gateway, states=TERMINAL)
    message = await watch.read()
    assert not message.jobs
    running = await submit(gateway)
    await cancel(gateway, job)
    await watch.until(job.job_id, state=CANCELLED)
    resumed = Watch(gateway, states=TERMINAL, resume_token=message.resume_token)
    await resumed.until(job.job_id, state=CANCELLED)
    for each in (watch, resumed):
        assert running.job_id not in {one.job.job_id for one in each.jobs}


async def test_progress_is_told_live(gateway, submit):
    job = await submit(gateway)
    watch = Watch(gateway)
    await watch.until(job.job_id)
    while not any(feed.watchers for feed in gateway.app._feeds._feeds.values()):
        await asyncio.sleep(0.01)
    running = jobs_pb2.Job(job_id=job.job_id, tenant="default", kind="noop", seq=5, state=2)
    running.progress.succeeded_count = 2
    gateway.app.hub.put_jobs([running])
    while not any(one.job.progress.succeeded_count == 2 for one in watch.jobs):
        await watch.read()


async def test_a_void_position_is_answered_with_reset_and_the_live_jobs(store, gateway, submit, monkeypatch):
    job = await submit(gateway)
    watch = Watch(gateway, states=TERMINAL)
    await watch.read()
    await gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id))
    await watch.until(job.job_id, state=CANCELLED)
    live = await submit(gateway)
    await purge(store)
    monkeypatch.setattr(gone, "KEPT_FOR", 0)
    await Purger(store.database, 1).purge_gone()
    resumed = Watch(gateway, resume_token=watch.messages[0].resume_token)
    message = await resumed.read()
    assert message.reset
    await resumed.until(live.job_id)
    assert [message.reset for message in resumed.messages].count(True) == 1
    again = Watch(gateway, resume_token=resumed.token)
    assert not (await again.read()).reset


async def test_a_restored_store_resets_the_running_watches(store, gateway, submit):
    job = await submit(gateway)
    watch = Watch(gateway)
    await watch.until(job.job_id)
    await store.database.write(lambda tx: tx.run("UPDATE store_state SET store_id = 'restored'"))
    while not watch.messages[-1].reset:
        await watch.read()
    seen_count = len(watch.jobs)
    while len(watch.jobs) == seen_count:  # the live jobs again
        await watch.read()
    new = await submit(gateway)
    await watch.until(new.job_id)


async def test_a_slow_reader_misses_no_change_and_holds_up_nobody(gateway, submit, cancel, monkeypatch):
    monkeypatch.setattr(jobs_watcher, "MAX_WAITING", 3)
    monkeypatch.setattr(jobs_watcher, "MAX_JOBS", 2)
    monkeypatch.setattr(change_feeds, "PAGE_SIZE", 3)
    monkeypatch.setattr(change_feeds, "READ_SECONDS", 0.05)
    monkeypatch.setattr(jobs_stream, "MERGE_SECONDS", 0.2)
    jobs = [await submit(gateway) for _ in range(20)]
    slow, quick = Watch(gateway, states=TERMINAL), Watch(gateway, states=TERMINAL)
    await slow.read()
    await quick.read()
    for job in jobs:
        await cancel(gateway, job)
    for job in jobs:
        await quick.until(job.job_id, state=CANCELLED)
    for job in jobs:
        await slow.until(job.job_id, state=CANCELLED)


async def test_a_watch_that_breaks_during_its_list_of_live_jobs_continues_the_list(
    gateway, submit, monkeypatch
):
    monkeypatch.setattr(jobs_stream, "_JOBS_PER_PAGE", 2)
    jobs = [await submit(gateway) for _ in range(7)]
    watch = Watch(gateway)
    while len(watch.jobs) < 3:
        await watch.read()
    watch.call.cancel()
    found = {one.job.job_id for one in watch.jobs}
    resumed = Watch(gateway, resume_token=watch.token)
    for job in jobs:
        if job.job_id not in found:
            await resumed.until(job.job_id)


async def test_a_watch_that_forgot_a_job_tells_that_it_left(store, gateway, submit, monkeypatch):
    monkeypatch.setattr(known_jobs, "MAX_KNOWN", 2)
    jobs = [await submit(gateway, labels={"a": "b"}) for _ in range(5)]
    watch = Watch(gateway, labels={"a": "b"})
    for job in jobs:
        await watch.until(job.job_id)
    await update(store, jobs[0])
    await update(store, jobs[-1])
    await watch.until(jobs[0].job_id, left=True)
    await watch.until(jobs[-1].job_id, left=True)


async def test_a_watch_without_jobs_gets_newer_tokens(gateway, submit, monkeypatch):
    monkeypatch.setattr(jobs_stream, "TOKEN_SECONDS", 0.2)
    watch = Watch(gateway, kind="other")
    first = await watch.read()
    await submit(gateway)
    while (message := await watch.read()).resume_token == first.resume_token:
        pass
    assert not message.jobs


async def test_100_watches_of_a_tenant_read_like_one(store, gateway, submit, cancel, monkeypatch):
    calls = []
    read = change_feeds.ChangeFeeds._read

    async def count(self, tenant, after):
        calls.append(tenant)
        return await read(self, tenant, after)

    monkeypatch.setattr(change_feeds.ChangeFeeds, "_read", count)
    job = await submit(gateway)
    watches = [Watch(gateway) for _ in range(100)]
    await asyncio.gather(*(watch.until(job.job_id) for watch in watches))
    await asyncio.sleep(1)  # all have joined the feed
    calls.clear()
    await asyncio.sleep(2.5)
    assert len(calls) <= 4
    await cancel(gateway, job)
    await asyncio.gather(*(watch.until(job.job_id, state=CANCELLED) for watch in watches))
    for watch in watches:
        watch.call.cancel()
    await asyncio.sleep(1.5)
    calls.clear()
    await asyncio.sleep(1.5)
    assert not calls


@pytest.mark.parametrize("token", ["x", "AAAA", "WyJqb2JzIl0"])
async def test_a_token_of_something_else_is_refused(gateway, failure_of, token):
    error = await failure_of(Watch(gateway, resume_token=token).read())
    assert error.reason == "INVALID_RESUME_TOKEN"
