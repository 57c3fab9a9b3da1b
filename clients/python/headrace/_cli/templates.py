"""A new job that starts from an earlier one."""

from typing import Any, NamedTuple, cast

from headrace._cli.execution import BadInputError
from headrace._messages.json_text import JsonText
from headrace.client import Client
from headrace.options import JobOptions


class NewJob(NamedTuple):
    """Everything of a job to submit but its items.

    Attributes:
        kind: Kind of work.
        params: Params. None for none.
        options: Options. None stands for one that is not set.
    """

    kind: str
    params: JsonText | None
    options: JobOptions


async def start_from(client: Client, like: str | None, given: NewJob) -> NewJob:
    """Returns the job to submit: what is given, and for the rest that of an earlier job.

    Its schedule_time is left out: it belongs to that job.

    Args:
        client: Client that reads the job.
        like: UUID of the earlier job. None: there is none.
        given: The job as given. Its kind is empty if it is not given.
    """
    if like is None:
        return given
    job = await client.get(like)
    params: Any = given.params if given.params is not None else await client.params(like, as_text=True)
    options: dict[str, Any] = {name: value for name, value in job.options.items() if name != "schedule_time"}
    options |= {name: value for name, value in given.options.items() if value is not None}
    return NewJob(given.kind or job.kind, params, cast("JobOptions", options))


def check_kind(kind: str | None, like: str | None) -> str:
    """Returns the given kind; empty if an earlier job brings it.

    Raises:
        BadInputError: Neither is given.
    """
    if kind is None and like is None:
        raise BadInputError("name the KIND of work, or an earlier job with --like; see: headrace kinds")
    return kind or ""
