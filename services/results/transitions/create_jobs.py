"""CreateJobs: stores jobs."""

from collections.abc import Sequence

from headrace.errors import UnavailableError
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.results.database.database import Database
from services.results.database.failures import ContentRefusedError
from services.results.database.transaction import Transaction
from services.results.rows.job_labels import encode_labels
from services.results.rows.job_options import encode_worker_options
from services.results.rows.messages import duration_of, job_message, microseconds
from services.results.rows.new_job_rows import NewJobRows, RequestName, insert_jobs, read_stored_jobs
from services.results.rules.chunks import chunk_size
from services.results.rules.deadlines import begin_deadline
from services.results.rules.facts import JobFacts
from services.results.rules.settling import is_leasable_now, settle
from services.results.rules.trials import cut_items, is_held
from services.results.rules.uploads import IDLE_TIMEOUT
from services.results.transitions.effects import add_tasks
from services.shared.validation.item_keys import double_keys
from services.stubs.results.v1 import results_pb2

Outcome = results_pb2.CreateJobOutcome


class JobCreator:
    """Stores jobs.

    It remembers the classes that have their row in tenant_shares, because such a row is never deleted. The
    row of a tenant may have been deleted, so each call makes sure that it exists.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known_classes: set[int] = set()

    async def create_jobs(self, request: results_pb2.CreateJobsRequest) -> results_pb2.CreateJobsResponse:
        """Returns the outcome of each job. If they cannot be stored together, each is stored alone."""
        news = list(request.jobs)
        try:
            if any(_has_nul(new) for new in news):
                raise ContentRefusedError("a text contains a NUL")
            if any(new.item_keys and any(double_keys(new.item_keys)) for new in news):
                raise ContentRefusedError("two items have the same key")
            return await self._create(news)
        except ContentRefusedError as error:
            if len(news) == 1:
                outcome = _error_outcome(ErrorReason.STORE_REFUSED, f"the database refuses this job: {error}")
                return results_pb2.CreateJobsResponse(outcomes=[outcome])
        response = results_pb2.CreateJobsResponse()
        for new in news:
            alone = await self.create_jobs(results_pb2.CreateJobsRequest(jobs=[new]))
            response.outcomes.extend(alone.outcomes)
            response.effects.MergeFrom(alone.effects)
        return response

    async def _create(self, news: Sequence[results_pb2.NewJob]) -> results_pb2.CreateJobsResponse:
        new_classes = {int(new.options.job_class) for new in news} - self._known_classes
        shares = {(int(new.options.job_class), new.tenant) for new in news}
        shares |= {(job_class, "") for job_class in new_classes}

        async def work(tx: Transaction) -> results_pb2.CreateJobsResponse:
            return await create_in(tx, news, sorted(shares))

        response = await self._database.write(work, one_statement=True)
        self._known_classes |= new_classes
        return response


async def create_in(
    tx: Transaction, news: Sequence[results_pb2.NewJob], shares: Sequence[tuple[int, str]]
) -> results_pb2.CreateJobsResponse:
    """Stores jobs in a transaction, and the given rows of tenant_shares (job class, tenant).

    Raises:
        UnavailableError: The first job of a request_id was purged at the same time (STORE_UNAVAILABLE).
    """
    if any(_needs_time(new) for new in news):
        await tx.run("SELECT NOW() AS now")
    wanted = {_name(new): _new_rows(new, tx.now) for new in reversed(news)}
    created = await insert_jobs(tx, [wanted[name] for name in sorted(wanted)], shares)
    existing = [name for name, rows in wanted.items() if rows.job.job_id not in created]
    stored = await read_stored_jobs(tx, existing)
    new_jobs = []
    for name, (job, new, _) in wanted.items():
        if job.job_id in created:
            job.create_time = created[job.job_id]
            stored[name] = (job, new.content_hash.hex())
            new_jobs.append(job)
    response = results_pb2.CreateJobsResponse(outcomes=[_outcome(tx, stored, new) for new in news])
    await add_tasks(tx, response.effects, [job for job in new_jobs if is_leasable_now(job)])
    return response


def _outcome(
    tx: Transaction, stored: dict[RequestName, tuple[JobFacts, str]], new: results_pb2.NewJob
) -> Outcome:
    if _name(new) not in stored:  # The first one was purged in between.
        raise UnavailableError("the store lost a race; repeat the call", reason=ErrorReason.STORE_UNAVAILABLE)
    job, content_hash = stored[_name(new)]
    if content_hash == new.content_hash.hex():
        return Outcome(job=job_message(job, tx.retention))
    message = f"request_id was used for job {job.job_id} with other content; use a new request_id"
    return _error_outcome(ErrorReason.REQUEST_ID_REUSED, message)


def _error_outcome(reason: str, message: str) -> Outcome:
    return Outcome(error=jobs_pb2.Error(reason=reason, message=message))


def _needs_time(new: results_pb2.NewJob) -> bool:
    options = new.options
    return options.HasField("schedule_time") or options.HasField("job_timeout") or new.upload_open


def _name(new: results_pb2.NewJob) -> RequestName:
    return new.tenant, new.request_id


def _has_nul(new: results_pb2.NewJob) -> bool:
    # PostgreSQL cannot store a NUL in a text. Items are stored within JSON, which escapes it.
    texts = (new.tenant, new.request_id, new.kind, new.params, new.trace_id, new.name, new.model)
    return any("\0" in text for text in (*texts, *new.labels.keys(), *new.labels.values()))


def _new_rows(new: results_pb2.NewJob, now: int) -> NewJobRows:
    job = _new_job(new, now)
    cuts = cut_items([len(item.encode()) for item in new.items], job.chunk_size, 0, job.trial_end)
    job.chunk_count = job.open_chunk_count = len(cuts)
    job.held_chunk_count = sum(is_held(job, cut.first_index) for cut in cuts)
    begin_deadline(job, now)
    settle(job, now, first_due=0)
    return NewJobRows(job, new, cuts)


def _new_job(new: results_pb2.NewJob, now: int) -> JobFacts:
    options = new.options
    return JobFacts(
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
        upload_expire_time=now + IDLE_TIMEOUT if new.upload_open else None,
        trace_id=new.trace_id,
        job_timeout=duration_of(options, "job_timeout"),
        worker_options=encode_worker_options(options),
        budget_micros=options.budget_micros if options.HasField("budget_micros") else None,
        has_keys=any(new.item_keys),
        name=new.name,
        labels=encode_labels(new.labels),
        trial_end=options.trial_count if options.HasField("trial_count") else None,
        retention=duration_of(options, "retention"),
    )
