"""Submits a job from the command line, and can watch it while its items are still being uploaded."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from headrace._cli.execution import DONE, BadInputError
from headrace._cli.following import print_detached, show_job
from headrace._cli.json_lines import write_json
from headrace._cli.process.streams import say
from headrace._cli.text import echo
from headrace.client import Client
from headrace.errors import HeadraceError
from headrace.resources import Job

Submit = Callable[[Callable[[Job], None]], Coroutine[Any, Any, Job]]


class Submission:
    """One submit and its output.

    Args:
        submit: Function that submits the job, and calls its argument as soon as the job is stored.
        request_id: Name of the job, with which the same command can continue.
        json: Whether to print only JSON to stdout.
        quiet: Whether to show no progress.
    """

    def __init__(self, submit: Submit, request_id: str, json: bool, *, quiet: bool = False) -> None:
        self._submit = submit
        self._request_id = request_id
        self._json = json
        self._quiet = quiet
        self._job: Job | None = None
        self._is_stored = False
        self._opened = asyncio.Event()

    async def run(self) -> int:
        """Submits the job, prints it, and returns the exit code."""
        with self._how_to_continue_printed():
            job = await self._store()
        if self._json:
            write_json(job)
        return DONE

    async def run_watched(self, client: Client) -> int:
        """Submits the job, shows it until it has ended, and returns the exit code.

        If the job does not succeed while its items are being uploaded, the upload stops.
        """
        tasks: list[asyncio.Task[Any]] = []
        with self._how_to_continue_printed():
            try:
                return await self._store_and_show(client, tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    async def _store_and_show(self, client: Client, tasks: list[asyncio.Task[Any]]) -> int:
        storing = asyncio.create_task(self._store())
        tasks += [storing, asyncio.create_task(self._opened.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._job is None:
            await storing
        assert self._job is not None
        showing = asyncio.create_task(show_job(client, self._job.job_id, self._json, quiet=self._quiet))
        tasks.append(showing)
        await asyncio.wait([storing, showing], return_when=asyncio.FIRST_COMPLETED)
        if not showing.done() or showing.result() == DONE:
            await storing
        return await showing

    async def _store(self) -> Job:
        job = await self._submit(self._on_open)
        self._is_stored = True
        return job

    def _on_open(self, job: Job) -> None:
        self._job = job
        if not self._json:
            echo(job.job_id)
        self._opened.set()

    @contextmanager
    def _how_to_continue_printed(self) -> Iterator[None]:
        try:
            yield
        except BadInputError as error:
            raise BadInputError(f"{error}; {self._after_bad_input()}") from None
        except HeadraceError:
            if self._job is not None and not self._is_stored:
                say(self._unfinished(self._job))
            raise
        except OSError:
            if self._job is not None:
                say(f"job {self._job.job_id} is submitted; to see it: headrace get {self._job.job_id}")
            raise
        except asyncio.CancelledError:
            if self._job is None:
                again = f"to find its job, submit again with --request-id {self._request_id}"
                say(f"interrupted; {again}")
            elif self._is_stored:
                print_detached(self._job.job_id, self._json)
            else:
                say(f"interrupted; {self._unfinished(self._job)}")
            raise

    def _after_bad_input(self) -> str:
        if self._job is None:
            return "nothing was submitted"
        return f"the items before it are stored; {self._unfinished(self._job)}"

    def _unfinished(self, job: Job) -> str:
        again = f"submit the same again with --request-id {self._request_id}"
        return f"job {job.job_id} waits an hour for the rest of its items: {again}"
