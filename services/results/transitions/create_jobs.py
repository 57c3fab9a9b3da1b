"""CreateJobs: stores jobs."""

# ruff: noqa: S608  # statements are put together from constants alone

from collections.abc import Sequence

from headrace.errors import UnavailableError
from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database, Transaction
from services.results.database.failures import RefusedError
from services.results.rows import chunk_rows, job_rows
from services.results.rows.job_options import encode_worker_options
from services.results.rows.job_rows import COLUMNS, job_of
from services.results.rows.messages import duration_of, job_message, microseconds
from services.results.rules.chunks import Cut, chunk_size, cut_chunks
from services.results.rules.deadlines import begin_deadline
from services.results.rules.facts import Job
from services.results.rules.settling import is_leasable_now, settle
from services.results.rules.uploads import IDLE_FOR
from services.results.transitions.transition import add_tasks
from services.stubs.results.v1 import results_pb2

Outcome = results_pb2.CreateJobOutcome

_FIRST_OF = f"""
SELECT {COLUMNS}, j.request_id, j.content_hash FROM ROWS(k: tenant text, request_id text)
JOIN jobs j ON j.tenant = k.tenant AND j.request_id = k.request_id
JOIN job_progress p ON p.job_id = j.job_id"""
_INSERT_JOBS = """
INSERT INTO jobs (job_id, tenant, request_id, content_hash, kind, params, job_class, max_failed_ratio,
    max_parallelism, schedule_time, trace_id, job_timeout, worker_options, create_time)
SELECT job_id, tenant, request_id, content_hash, kind, params, job_class, max_failed_ratio,
    max_parallelism, schedule_time, trace_id, job_timeout, worker_options, COALESCE(create_time, NOW())
FROM ROWS(new: job_id text, tenant text, request_id text, content_hash text, kind text, params text,
    job_class bigint, max_failed_ratio double precision, max_parallelism bigint, schedule_time bigint,
    trace_id text, job_timeout bigint, worker_options text, create_time bigint)
WHERE true ON CONFLICT (tenant, request_id) DO NOTHING RETURNING job_id, create_time"""
# A row that is there is not touched: a conflict with it would wait for a lease that moves it.
_INSERT_SHARES = """
INSERT INTO tenant_shares (job_class, tenant, virtual_time, job_clock)
SELECT job_class, tenant, 0, 0 FROM ROWS(shares: job_class bigint, tenant text)
WHERE NOT EXISTS (
    SELECT 1 FROM tenant_shares t WHERE t.job_class = shares.job_class AND t.tenant = shares.tenant)
ON CONFLICT DO NOTHING"""
_WHERE_CREATED = " WHERE job_id IN (SELECT created.job_id FROM created)"


class JobCreator:
    """Stores jobs.

    It remembers which classes have their row in tenant_shares, which is never deleted. Those of tenants may
    have been, so each call makes sure of them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known_classes: set[int] = set()

    async def create_jobs(self, request: results_pb2.CreateJobsRequest) -> results_pb2.CreateJobsResponse:
        """Returns the outcome of each job; where they cannot be stored together, each is tried alone."""
        news = list(request.jobs)
        try:
            if any(_has_nul(new) for new in news):
                raise RefusedError("a text holds a NUL")
            return await self._create(news)
        except RefusedError as refusal:
            if len(news) == 1:
                outcome = _refused(f"the database refuses this job: {refusal}")
                return results_pb2.CreateJobsResponse(outcomes=[outcome])
        response = results_pb2.CreateJobsResponse()
        for new in news:
            alone = await self.create_jobs(results_pb2.CreateJobsRequest(jobs=[new]))
            response.outcomes.extend(alone.outcomes)
            response.effects.MergeFrom(alone.effects)
        return response

    async def _create(self, news: Sequence[results_pb2.NewJob]) -> results_pb2.CreateJobsResponse:
        classes = {int(new.options.job_class) for new in news} - self._known_classes
        shares = {(int(new.options.job_class), new.tenant) for new in news} | {
            (number, "") for number in classes
        }

        async def work(tx: Transaction) -> results_pb2.CreateJobsResponse:
            return await _create_in(tx, news, sorted(shares))

        response = await self._database.write(work, one_statement=True)
        self._known_classes |= classes
        return response


async def _create_in(
    tx: Transaction, news: Sequence[results_pb2.NewJob], shares: Sequence[tuple[int, str]]
) -> results_pb2.CreateJobsResponse:
    if any(_needs_time(new) for new in news):
        await tx.run("SELECT NOW() AS now")
    first_of = {_name(new): new for new in reversed(news)}
    wanted = {name: _new_job(new, tx.now) for name, new in first_of.items()}
    created = await _insert(tx, [(wanted[name], first_of[name]) for name in sorted(wanted)], shares)
    response = results_pb2.CreateJobsResponse()
    stored = await _read_stored(tx, [name for name, job in wanted.items() if job.job_id not in created])
    for name, job in wanted.items():
        if job.job_id in created:
            stored[name] = (job, first_of[name].content_hash.hex())
    for new in news:
        if _name(new) not in stored:  # the first one was purged in between
            raise UnavailableError("the store lost a race; repeat the call", reason="STORE_UNAVAILABLE")
        job, content_hash = stored[_name(new)]
        same = content_hash == new.content_hash.hex()
        response.outcomes.append(Outcome(job=job_message(job)) if same else _reused(job))
    new_jobs = [job for job in wanted.values() if job.job_id in created and is_leasable_now(job)]
    await add_tasks(tx, response.effects, new_jobs)
    return response


def _needs_time(new: results_pb2.NewJob) -> bool:
    options = new.options
    return options.HasField("schedule_time") or options.HasField("job_timeout") or new.upload_open


def _name(new: results_pb2.NewJob) -> tuple[str, str]:
    return new.tenant, new.request_id


async def _read_stored(
    tx: Transaction, names: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Job, str]]:
    rows = await tx.run(_FIRST_OF, k=names) if names else []
    return {(row.tenant, row.request_id): (job_of(row), row.content_hash) for row in rows}


def _has_nul(new: results_pb2.NewJob) -> bool:
    # PostgreSQL has no such text. Items are kept within JSON, which escapes it.
    return any("\0" in text for text in (new.tenant, new.request_id, new.kind, new.params, new.trace_id))


def _reused(first: Job) -> Outcome:
    return _refused(
        f"request_id was used for job {first.job_id} with other content: use a new one", "REQUEST_ID_REUSED"
    )


def _refused(message: str, reason: str = "STORE_REFUSED") -> Outcome:
    return Outcome(error=jobs_pb2.Error(reason=reason, message=message))


def _new_job(new: results_pb2.NewJob, now: int) -> Job:
    options = new.options
    job = Job(
        job_id=new.job_id,
        tenant=new.tenant,
        kind=new.kind,
        job_class=options.job_class,
        max_failed_ratio=options.max_failed_ratio,
        max_parallelism=options.max_parallelism,
        create_time=now,
        schedule_time=microseconds(options.schedule_time) if options.HasField("schedule_time") else None,
        total_count=len(new.items),
        chunk_size=chunk_size(len(new.items)),
        upload_open=new.upload_open,
        upload_expire_time=now + IDLE_FOR if new.upload_open else None,
        trace_id=new.trace_id,
        job_timeout=duration_of(options, "job_timeout"),
        worker_options=encode_worker_options(options),
        budget_micros=options.budget_micros if options.HasField("budget_micros") else None,
    )
    begin_deadline(job, now)
    job.chunk_count = job.open_chunk_count = len(_cut(new))
    settle(job, now, first_due=0)
    return job


def _cut(new: results_pb2.NewJob) -> list[Cut]:
    return cut_chunks([len(item.encode()) for item in new.items], chunk_size(len(new.items)))


async def _insert(
    tx: Transaction,
    wanted: Sequence[tuple[Job, results_pb2.NewJob]],
    shares: Sequence[tuple[int, str]],
) -> set[str]:
    """Returns the ids of those that were not stored before, and now are; in one statement on PostgreSQL.

    Args:
        tx: The transaction.
        wanted: Jobs sorted by tenant and request_id: so two such calls cannot wait for each other.
        shares: Rows of tenant_shares to make.
    """
    tx.later(_INSERT_SHARES, shares=shares)
    rows = [_jobs_row(job, new) for job, new in wanted]
    if tx.sqlite:
        created = {row.job_id: row.create_time for row in await tx.run(_INSERT_JOBS, new=rows)}
        _insert_rest(tx, [(job, new) for job, new in wanted if job.job_id in created], where="")
    else:
        tx.later(_INSERT_JOBS, name="created", new=rows)
        _insert_rest(tx, wanted, where=_WHERE_CREATED)
        found = await tx.run_along("SELECT created.job_id, created.create_time FROM created")
        created = {row.job_id: row.create_time for row in found}
    for job, _ in wanted:
        job.create_time = created.get(job.job_id, 0)
    return set(created)


def _insert_rest(tx: Transaction, wanted: Sequence[tuple[Job, results_pb2.NewJob]], where: str) -> None:
    if not wanted:
        return
    job_rows.insert_progress(tx, [job for job, _ in wanted], where)
    blocks, chunks = [], []
    for job, new in wanted:
        for index, cut in enumerate(_cut(new)):
            blocks.append((job.job_id, cut.first_index, new.items[cut.first_index : cut.end_index]))
            chunks.append(chunk_rows.new_chunk(job.job_id, index, cut))
    chunk_rows.insert_blocks(tx, blocks, where)
    chunk_rows.insert_chunks(tx, chunks, where)


def _jobs_row(job: Job, new: results_pb2.NewJob) -> tuple[object, ...]:
    return (
        job.job_id,
        job.tenant,
        new.request_id,
        new.content_hash.hex(),
        job.kind,
        new.params,
        job.job_class,
        job.max_failed_ratio,
        job.max_parallelism,
        job.schedule_time,
        job.trace_id,
        job.job_timeout,
        job.worker_options,
        job.create_time or None,  # where the time was not told before, the statement has it
    )
