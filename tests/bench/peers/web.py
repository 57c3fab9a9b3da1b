"""FastAPI in front of Celery, which submits and reads tasks: ``uvicorn tests.bench.peers.web:app``."""

from typing import Annotated, Any

from celery.result import AsyncResult
from fastapi import Body, FastAPI

from tests.bench.peers import celery_app

app = FastAPI()


@app.get("/healthz")
def healthz() -> dict[str, str]:
    """Returns an empty object."""
    return {}


@app.post("/jobs/{name}")
def submit(name: str, arguments: Annotated[list[Any], Body()]) -> dict[str, str]:
    """Queues a task of the app by its name."""
    return {"id": getattr(celery_app, name).delay(*arguments).id}


@app.get("/jobs/{task_id}")
def read(task_id: str) -> dict[str, Any]:
    """Returns the state of a task."""
    return {"state": AsyncResult(task_id, app=celery_app.app).state}
