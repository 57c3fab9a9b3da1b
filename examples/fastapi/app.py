"""A web application that classifies job titles and shows the progress live: ``uvicorn app:app``.

A handler submits a job and answers at once. The browser follows it through server-sent events, and continues
after a lost connection or a restart of this process. A task learns of the ends of all jobs, also of those
that came while this process was down.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from batches import Batches
from ends import LABELS, remember_ends
from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field

from headrace import Client, HeadraceError, InvalidArgumentError, Job, JobEvent

HERE = Path(__file__).parent
PARAMS = {
    "labels": ["kitchen", "health care", "software", "other"],
    "template": "Which field of work is this job in? {title}",
}
STATUS_BY_CODE = {"INVALID_ARGUMENT": 422, "NOT_FOUND": 404, "ALREADY_EXISTS": 409, "UNAVAILABLE": 503}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for the whole process: it is made on the event loop that uses it."""
    batches = Batches(os.environ.get("BATCHES_DATABASE", "batches.db"))
    async with Client() as hr:  # HEADRACE_TARGET, or localhost:50051
        app.state.hr, app.state.batches = hr, batches
        remembering = asyncio.create_task(remember_ends(hr, batches))
        yield
        remembering.cancel()
        with suppress(asyncio.CancelledError):
            await remembering
    batches.close()


app = FastAPI(lifespan=lifespan)
app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
templates = Jinja2Templates(directory=HERE / "templates")  # escapes every value


def client(request: Request) -> Client:
    return request.app.state.hr


def stored_batches(request: Request) -> Batches:
    return request.app.state.batches


Headrace = Annotated[Client, Depends(client)]
Stored = Annotated[Batches, Depends(stored_batches)]


async def existing_job(job_id: str, hr: Headrace) -> Job:
    return await hr.get(job_id, timeout=5)


class NewBatch(BaseModel):
    name: str = Field(max_length=100)
    titles: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(min_length=1, max_length=1000)


@app.exception_handler(HeadraceError)
async def answer_error(_: Request, error: HeadraceError) -> JSONResponse:
    """Answers with the reason and each wrong field, which are made for clients."""
    return JSONResponse(error.to_dict(), STATUS_BY_CODE.get(error.code.name, 500))


@app.get("/", response_class=HTMLResponse)
async def page(request: Request, batches: Stored) -> HTMLResponse:
    own_files_only = {"Content-Security-Policy": "default-src 'self'; img-src data:"}
    return templates.TemplateResponse(
        request, "index.html", {"batches": batches.newest()}, headers=own_files_only
    )


@app.post("/jobs", status_code=202)
async def submit(
    batch: NewBatch, hr: Headrace, batches: Stored, idempotency_key: Annotated[str | None, Header()] = None
) -> dict[str, Any]:
    """Stores a job and answers with its snapshot. A second request with the same key makes no second job."""
    items = [{"title": title} for title in batch.titles]
    job = await hr.submit("llm.classify", items, PARAMS, request_id=idempotency_key, labels=LABELS)
    batches.add(job, batch.name)
    return job.to_dict()


@app.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def events(
    job: Annotated[Job, Depends(existing_job)], hr: Headrace, last_event_id: Annotated[str, Header()] = ""
) -> AsyncIterator[ServerSentEvent]:
    """Streams a job's events. The id of each is the token that continues the watch after it."""
    async for event in watch(hr, job.job_id, last_event_id):
        yield ServerSentEvent(event="progress", id=event.resume_token, data=event.to_dict())


async def watch(hr: Client, job_id: str, resume_token: str) -> AsyncIterator[JobEvent]:
    try:
        async for event in hr.watch(job_id, resume_token=resume_token):
            yield event
    except InvalidArgumentError as error:
        if error.reason != "INVALID_RESUME_TOKEN":
            raise
        async for event in hr.watch(job_id):  # the browser sent something else
            yield event


@app.get("/jobs/{job_id}/results")
async def results(job: Annotated[Job, Depends(existing_job)], hr: Headrace) -> list[dict[str, Any]]:
    """Returns the results recorded so far, in the order of the titles."""
    return [result.to_dict() async for result in hr.results(job.job_id)]
