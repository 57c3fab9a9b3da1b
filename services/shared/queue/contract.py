"""Names and form of the messages on RabbitMQ.

A message is a wake-up. It names a job that has work, and carries no items. A duplicate is harmless, and a
lost one costs at most two seconds.
"""

from typing import Any

import dramatiq

from headrace.jobs.v1 import jobs_pb2

ADVANCE_JOB = "advance_job"

QUEUE_BY_CLASS = {
    jobs_pb2.JOB_CLASS_INTERACTIVE: "headrace.interactive",
    jobs_pb2.JOB_CLASS_DEFAULT: "headrace.default",
    jobs_pb2.JOB_CLASS_BULK: "headrace.bulk",
}

# Ratio in which the classes that have work share the free capacity of a worker.
WEIGHT_BY_CLASS = {
    jobs_pb2.JOB_CLASS_INTERACTIVE: 16,
    jobs_pb2.JOB_CLASS_DEFAULT: 4,
    jobs_pb2.JOB_CLASS_BULK: 1,
}


def advance_job_message(job_id: str, job_class: jobs_pb2.JobClass) -> dramatiq.Message[Any]:
    """Returns the wake-up of a job, for the queue of its class."""
    return dramatiq.Message(
        queue_name=QUEUE_BY_CLASS[job_class],
        actor_name=ADVANCE_JOB,
        args=(),
        kwargs={"job_id": job_id, "job_class": int(job_class)},
        options={},
    )
