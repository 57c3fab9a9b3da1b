"""Stable reasons of errors.

Generated from protos/headrace/jobs/v1/error_reason.proto by `make protos`: do not edit.
"""

from enum import StrEnum


class ErrorReason(StrEnum):
    """Reason of an error, for programs: ``HeadraceError.reason``, or ``Failure.reason`` of a job or an item.

    A member equals its name as a string. Code is the gRPC code of the failed call, "item" for a failed item
    or attempt, or "job" for a failed job. Metadata lists the keys of ``HeadraceError.metadata``.
    """

    INVALID_FIELD = "INVALID_FIELD"
    """A field of the request has a wrong value. BadRequest names every wrong field.

    Remedy: Correct the named fields.
    Code: INVALID_ARGUMENT.
    Metadata: first_item_index: position in the job of items[0] of the wrong request (AppendItems only).
    """

    UNKNOWN_KIND = "UNKNOWN_KIND"
    """No kind has this name. On a job: the worker that leased it does not have the kind installed.

    Remedy: Use a name that ListKinds returns; deploy the kind to gateways and workers alike.
    Code: INVALID_ARGUMENT, job.
    Metadata: kind: the name that is not known.
    """

    ITEM_TOO_LARGE = "ITEM_TOO_LARGE"
    """An item is over 1 MB of JSON text. BadRequest names it.

    Remedy: Make the item smaller, or store the content elsewhere and submit a reference.
    Code: INVALID_ARGUMENT.
    Metadata: first_item_index: position in the job of items[0] of the wrong request (AppendItems only).
    """

    ITEM_KEY_TAKEN = "ITEM_KEY_TAKEN"
    """Two items of the job have the same key. The message names up to three such keys with the positions of
    both items.

    Remedy: Make the keys unique, or leave doubles out.
    Code: INVALID_ARGUMENT.
    Metadata: none.
    """

    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"
    """The page_token is malformed, or belongs to another query.

    Remedy: Start again without a token.
    Code: INVALID_ARGUMENT.
    Metadata: none.
    """

    INVALID_RESUME_TOKEN = "INVALID_RESUME_TOKEN"
    """The resume_token is malformed, or belongs to another job.

    Remedy: Watch again without a token.
    Code: INVALID_ARGUMENT.
    Metadata: none.
    """

    INVALID_CURSOR = "INVALID_CURSOR"
    """The cursor is malformed, or belongs to another job or filter.

    Remedy: Stream again without a cursor.
    Code: INVALID_ARGUMENT.
    Metadata: none.
    """

    JOB_NOT_FOUND = "JOB_NOT_FOUND"
    """The tenant has no job with this job_id. It may have been purged.

    Remedy: Check job_id and tenant.
    Code: NOT_FOUND.
    Metadata: job_id: the id that was not found.
    """

    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    """The request_id was used for a job with other content.

    Remedy: Use a new request_id for a new job.
    Code: ALREADY_EXISTS.
    Metadata: none.
    """

    BUDGET_SPENT = "BUDGET_SPENT"
    """The job cannot be resumed: its budget does not cover another call, or the new budget is not above what
    is spent.

    Remedy: Resume with a higher budget_micros.
    Code: FAILED_PRECONDITION.
    Metadata: cost_micros: what the job has cost so far.
    """

    UPLOAD_OFFSET = "UPLOAD_OFFSET"
    """A batch or finish is beyond the stored items: a batch was lost, or two clients upload at once. The
    Python client also raises it when fewer items are stored than were acknowledged.

    Remedy: Continue from stored_count.
    Code: ABORTED.
    Metadata: stored_count: items stored, where the next batch begins.
    """

    UPLOAD_CLOSED = "UPLOAD_CLOSED"
    """The upload is closed, and the batch holds items that are not part of the job.

    Remedy: Submit the items as another job.
    Code: FAILED_PRECONDITION.
    Metadata: stored_count: items the job has.
    """

    UPLOAD_TOTAL = "UPLOAD_TOTAL"
    """The total of finish is below the number of stored items, or differs from the total the upload was
    closed with.

    Remedy: Finish with the number of items that the job has.
    Code: FAILED_PRECONDITION.
    Metadata: stored_count: items the job has.
    """

    JOB_ENDED = "JOB_ENDED"
    """The job was cancelled, failed or expired before its upload was finished.

    Remedy: See GetJob for the cause. RetryJob runs the items that are stored.
    Code: FAILED_PRECONDITION.
    Metadata: none.
    """

    JOB_CHANGED = "JOB_CHANGED"
    """The job has changed since the change_seq that UpdateJob was given.

    Remedy: Read the job, and decide again.
    Code: ABORTED.
    Metadata: change_seq: the present one.
    """

    JOB_NOT_ENDED = "JOB_NOT_ENDED"
    """The job is not terminal, and cannot be deleted.

    Remedy: Cancel it and wait for its end, or set force.
    Code: FAILED_PRECONDITION.
    Metadata: none.
    """

    UPLOAD_TIMED_OUT = "UPLOAD_TIMED_OUT"
    """The job expired: its upload was not finished, and brought no new item for an hour.

    Remedy: RetryJob runs the items that are stored.
    Code: job.
    Metadata: none.
    """

    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    """The store cannot answer now: the results service or its database is down, restarting or overloaded.

    Remedy: Repeat the call, with the same request_id where it has one.
    Code: UNAVAILABLE.
    Metadata: none.
    """

    STORE_REFUSED = "STORE_REFUSED"
    """The database refuses the content for good.

    Remedy: Report it, with the message. Repeating does not help.
    Code: INTERNAL.
    Metadata: none.
    """

    STORAGE_FULL = "STORAGE_FULL"
    """The disk of the database is full. Nothing new can be stored. What was acknowledged is kept, and work
    continues once there is space.

    Remedy: Free space, then repeat the call with the same request_id. Repeating alone does not help.
    Code: RESOURCE_EXHAUSTED.
    Metadata: none.
    """

    STORAGE_FAILED = "STORAGE_FAILED"
    """The files of the database cannot be used: they are read-only, damaged or not accessible, or the disk
    fails.

    Remedy: Mend what the message names, then repeat the call. Repeating alone does not help.
    Code: UNAVAILABLE.
    Metadata: none.
    """

    GATEWAY_STOPPING = "GATEWAY_STOPPING"
    """The gateway is shutting down.

    Remedy: Repeat the call, or resume the stream, at any gateway.
    Code: UNAVAILABLE.
    Metadata: none.
    """

    SERVER_STOPPING = "SERVER_STOPPING"
    """A results service or a worker is shutting down. Between services only.

    Remedy: Repeat the call.
    Code: UNAVAILABLE.
    Metadata: none.
    """

    INTERNAL = "INTERNAL"
    """A server failed in an unexpected way. Its log holds the traceback. On an item: the worker could not run
    it.

    Remedy: Report it, with the time and the trace of the call.
    Code: INTERNAL, item.
    Metadata: none.
    """

    UNKNOWN = "UNKNOWN"
    """The call ended with a status that no server of Headrace sends.

    Remedy: See the message.
    Code: UNKNOWN.
    Metadata: none.
    """

    UNAVAILABLE = "UNAVAILABLE"
    """The server cannot be reached, or the connection broke.

    Remedy: Repeat the call, with the same request_id where it has one.
    Code: UNAVAILABLE.
    Metadata: none.
    """

    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    """No answer came within the deadline of the call. Whether it took effect is not known.

    Remedy: Repeat the call with the same request_id, or with a longer deadline.
    Code: DEADLINE_EXCEEDED.
    Metadata: none.
    """

    CANCELLED = "CANCELLED"
    """The caller cancelled the call.

    Remedy: none.
    Code: CANCELLED.
    Metadata: none.
    """

    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    """A message is larger than the transport accepts: 4 MB.

    Remedy: Send less at once; AppendItems takes items in batches.
    Code: RESOURCE_EXHAUSTED.
    Metadata: none.
    """

    UNIMPLEMENTED = "UNIMPLEMENTED"
    """The server does not know the call.

    Remedy: Check the target, and that the server is as new as the client.
    Code: UNIMPLEMENTED.
    Metadata: none.
    """

    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    """A proxy answered FAILED_PRECONDITION.

    Remedy: See the message.
    Code: FAILED_PRECONDITION.
    Metadata: none.
    """

    ABORTED = "ABORTED"
    """A proxy answered ABORTED.

    Remedy: Repeat the call.
    Code: ABORTED.
    Metadata: none.
    """

    CLIENT_CLOSED = "CLIENT_CLOSED"
    """The client was closed before or during the call. Raised by the Python client.

    Remedy: Use one client for the lifetime of the program, or make a new one.
    Code: CANCELLED.
    Metadata: none.
    """

    CLIENT_FORKED = "CLIENT_FORKED"
    """The client was used before the process was forked, or gRPC was running then. Raised by the Python
    client.

    Remedy: Make clients after the fork, or close all of them before it.
    Code: FAILED_PRECONDITION.
    Metadata: none.
    """

    EVENT_LOOP_RUNNING = "EVENT_LOOP_RUNNING"
    """A SyncClient was used in a thread that runs an event loop. Raised by the Python client.

    Remedy: Await headrace.Client instead.
    Code: FAILED_PRECONDITION.
    Metadata: none.
    """

    TOO_MANY_PINGS = "TOO_MANY_PINGS"
    """The client pings its connection more often than every 10 s, so the server or a proxy closed it. Raised
    by the Python client.

    Remedy: Set grpc.keepalive_time_ms of the client to 15,000 or more.
    Code: UNAVAILABLE.
    Metadata: none.
    """

    INPUT_NOT_JSON = "INPUT_NOT_JSON"
    """The item is not valid JSON.

    Remedy: Correct the item, and submit it in another job.
    Code: item.
    Metadata: none.
    """

    OUTPUT_TOO_LARGE = "OUTPUT_TOO_LARGE"
    """The output of the item is over 3 MB.

    Remedy: Have the kind return less.
    Code: item.
    Metadata: none.
    """

    OUTPUT_REFUSED = "OUTPUT_REFUSED"
    """The store cannot keep the output, for example because it holds a NUL character.

    Remedy: Have the kind return another output.
    Code: item.
    Metadata: none.
    """

    OUTPUT_MISMATCH = "OUTPUT_MISMATCH"
    """The output does not have the output_type that the reader of the results asked for. Found by the client.

    Remedy: Correct the type, or ask for such results as failed ones.
    Code: INVALID_ARGUMENT, item.
    Metadata: item_index: index of the item; field: path of the first wrong field in its output.
    """

    FIELD_MISSING = "FIELD_MISSING"
    """The template names a field that the item does not have, or the item has null in all fields of the
    template. No call was made. Of a submitted job: none of its items has the field.

    Remedy: Correct the template, or add the field to the item.
    Code: INVALID_ARGUMENT, item.
    Metadata: none.
    """

    PROMPT_TOO_LARGE = "PROMPT_TOO_LARGE"
    """The template makes too much of the item: a prompt is over 64 KB and over ten times its template and the
    fields in it, a prompt is over 4 MB, or all prompts of the item together are over 16 MB; or a prompt has
    more tokens than the `tokens_per_minute` of its model. No call was made.

    Remedy: Name long fields fewer times in the template, or make them shorter.
    Code: item.
    Metadata: none.
    """

    LABEL_UNKNOWN = "LABEL_UNKNOWN"
    """The model answered twice with text that is not one of the labels.

    Remedy: Make the labels or the template clearer, or use another model.
    Code: item.
    Metadata: none.
    """

    HANDLER_ERROR = "HANDLER_ERROR"
    """The handler of the kind raised an unexpected exception. The log of the worker holds the traceback.

    Remedy: Correct the kind, deploy it, then call RetryJob.
    Code: item.
    Metadata: none.
    """

    ITEM_TIMED_OUT = "ITEM_TIMED_OUT"
    """The item used up its item_timeout.

    Remedy: Submit with a longer item_timeout.
    Code: item.
    Metadata: none.
    """

    WORKER_LOST = "WORKER_LOST"
    """The processes that ran the item died three times while they ran it alone.

    Remedy: Look for an input that exhausts memory or crashes the handler.
    Code: item.
    Metadata: none.
    """

    ITEM_NOT_SELECTED = "ITEM_NOT_SELECTED"
    """The item had no result when its job was cancelled, failed or expired, and a retry of other items did
    not select it.

    Remedy: RetryJob with this reason, or without a selection, runs the item.
    Code: item.
    Metadata: none.
    """

    WORKER_CUT_OFF = "WORKER_CUT_OFF"
    """The worker lost contact with the store and made no more calls. The item is retried.

    Remedy: None, unless it persists: check the network between workers and results.
    Code: item.
    Metadata: none.
    """

    RATE_LIMITED = "RATE_LIMITED"
    """The provider answered 429, or its model is cooling down. The item is retried, after Retry-After where
    the provider sends it.

    Remedy: None, unless it persists: set rate limits, or ask the provider for a higher one.
    Code: item.
    Metadata: none.
    """

    PROVIDER_ERROR = "PROVIDER_ERROR"
    """The provider answered with a server error (408, 409, 425, 3xx or 5xx). The item is retried. On a paused
    job: the provider is down.

    Remedy: None, unless it persists: see the status of the provider.
    Code: item, job.
    Metadata: none.
    """

    PROVIDER_TIMEOUT = "PROVIDER_TIMEOUT"
    """The provider did not answer within the call_timeout. The item is retried.

    Remedy: None, unless it persists: submit with a longer call_timeout.
    Code: item.
    Metadata: none.
    """

    PROVIDER_UNREACHABLE = "PROVIDER_UNREACHABLE"
    """The provider cannot be reached, or the connection broke. The item is retried. On a paused job: the
    provider is down.

    Remedy: None, unless it persists: check the network and OPENAI_BASE_URL of the worker.
    Code: item, job.
    Metadata: none.
    """

    BROKEN_ANSWER = "BROKEN_ANSWER"
    """The provider answered 200 without a completion. The item is retried.

    Remedy: None, unless it persists: check that OPENAI_BASE_URL speaks the OpenAI API.
    Code: item.
    Metadata: none.
    """

    PROVIDER_REFUSED_INPUT = "PROVIDER_REFUSED_INPUT"
    """The provider, its filter or the model refused the input, or the input is too long for the model. On a
    paused job: its first 20 items were all refused, with the same message.

    Remedy: Change the item or the template. Of a paused job, read GetFailures first; ResumeJob runs the other
    items.
    Code: item, job.
    Metadata: none.
    """

    PROVIDER_NOT_CONFIGURED = "PROVIDER_NOT_CONFIGURED"
    """The worker has no usable provider: neither a key nor a base URL, or a base URL that is not an HTTP URL.

    Remedy: Set OPENAI_API_KEY or OPENAI_BASE_URL of the worker, then call RetryJob.
    Code: job.
    Metadata: none.
    """

    PROVIDER_KEY_REFUSED = "PROVIDER_KEY_REFUSED"
    """The provider refused the key (401 or 403). A refused attempt is repeated, and Result.failed_attempts
    shows this reason. Once calls of five items in a row are refused, the job is FAILED with this reason in
    Job.error. In a job of fewer items, an item whose attempts are used up fails with it.

    Remedy: Correct OPENAI_API_KEY of the worker, then call RetryJob.
    Code: item, job.
    Metadata: none.
    """

    PROVIDER_QUOTA_EXHAUSTED = "PROVIDER_QUOTA_EXHAUSTED"
    """The quota or the credit at the provider is spent. A refused attempt is repeated, and
    Result.failed_attempts shows this reason. Once calls of five items in a row are refused, the job is FAILED
    with this reason in Job.error. In a job of fewer items, an item whose attempts are used up fails with it.

    Remedy: Add credit, then call RetryJob.
    Code: item, job.
    Metadata: none.
    """

    PROVIDER_URL_WRONG = "PROVIDER_URL_WRONG"
    """Nothing answers chat completions at the base URL (404). A refused attempt is repeated, and
    Result.failed_attempts shows this reason. Once calls of five items in a row are refused, the job is FAILED
    with this reason in Job.error. In a job of fewer items, an item whose attempts are used up fails with it.

    Remedy: Correct OPENAI_BASE_URL of the worker, then call RetryJob.
    Code: item, job.
    Metadata: none.
    """

    MODEL_UNKNOWN = "MODEL_UNKNOWN"
    """The provider does not know the model. A refused attempt is repeated, and Result.failed_attempts shows
    this reason. Once calls of five items in a row are refused, the job is FAILED with this reason in
    Job.error. In a job of fewer items, an item whose attempts are used up fails with it.

    Remedy: Submit with a model that the provider offers.
    Code: item, job.
    Metadata: none.
    """

    TOO_MANY_FAILED_ITEMS = "TOO_MANY_FAILED_ITEMS"
    """More items failed than max_failed_ratio allows.

    Remedy: Read the failed results; correct the cause, then call RetryJob.
    Code: job.
    Metadata: none.
    """

    JOB_TIMED_OUT = "JOB_TIMED_OUT"
    """The job did not end within its job_timeout.

    Remedy: RetryJob runs the items without a success, with a new deadline.
    Code: job.
    Metadata: none.
    """

    PRICE_UNKNOWN = "PRICE_UNKNOWN"
    """The job has a budget, and the price of a model it calls is not known.

    Remedy: Add the model to HEADRACE_PRICES_FILE, or submit without a budget.
    Code: job.
    Metadata: none.
    """

    INVALID_PARAMS = "INVALID_PARAMS"
    """The kind on the worker does not accept the params, though the gateway did.

    Remedy: Deploy the same version of the kind to gateways and workers.
    Code: job.
    Metadata: none.
    """

    JOB_FAILED = "JOB_FAILED"
    """The handler of the kind failed the job without a reason.

    Remedy: See the message of the job's error.
    Code: job.
    Metadata: none.
    """

    ALLOWANCE_SPENT = "ALLOWANCE_SPENT"
    """The allowance of the chunk does not cover the next call. The worker returns the chunk, and no attempt
    is counted. Internal: never part of a result.

    Remedy: none.
    Code: item.
    Metadata: none.
    """

    WORKER_NOT_LIVE = "WORKER_NOT_LIVE"
    """The store does not count the worker as live. Between services only.

    Remedy: The worker sends a heartbeat first.
    Code: FAILED_PRECONDITION.
    Metadata: none.
    """

    WORKER_STOPPING = "WORKER_STOPPING"
    """The worker is shutting down and ends its progress streams. Between services only.

    Remedy: The gateway reads the jobs it watches from results.
    Code: UNAVAILABLE.
    Metadata: none.
    """

    READER_TOO_SLOW = "READER_TOO_SLOW"
    """A gateway did not read progress in time. Between services only.

    Remedy: The gateway opens the stream again.
    Code: UNAVAILABLE.
    Metadata: none.
    """

    SCHEMA_OUTDATED = "SCHEMA_OUTDATED"
    """The schema of the database is older than this results service needs; it does not start.

    Remedy: Run `python -m services.results migrate`.
    Code: FAILED_PRECONDITION.
    Metadata: none.
    """
