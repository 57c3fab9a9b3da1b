"""Learns of the ends of all jobs of this application, also of those that came while it was down."""

import asyncio
import logging

from batches import Batches

from headrace import Client, HeadraceError

LABELS = {"app": "job-titles"}
RETRY_SECONDS = 5.0

logger = logging.getLogger("uvicorn.error")


async def remember_ends(hr: Client, batches: Batches) -> None:
    """Stores the end of each job together with the token that continues after it. Runs until cancelled.

    The stream resumes automatically while gateways restart. A change may come twice, and none is missed.
    """
    while True:
        try:
            async for change in hr.watch_jobs(labels=LABELS, resume_token=batches.resume_token()):
                is_ended = not (change.deleted or change.left) and change.job.state.is_terminal
                batches.advance(change.resume_token, change.job if is_ended else None)
        except HeadraceError as error:
            logger.warning("ends of jobs are not followed: %s", error)
        await asyncio.sleep(RETRY_SECONDS)
