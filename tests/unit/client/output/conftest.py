import json

import pytest

from headrace.jobs.v1 import jobs_pb2


@pytest.fixture
def record(gateway, make_result):
    """Records an output for each argument, or a failure for None, from an index on."""

    def record(*outputs, begin=0, inputs=(), keys=()):
        for place, output in enumerate(outputs):
            index = begin + place
            if output is None:
                result = make_result(index, error="TIMEOUT")
            else:
                result = make_result(index, output if isinstance(output, str) else json.dumps(output))
            if inputs:
                result.input = json.dumps(inputs[place])
            if keys:
                result.item_key = keys[place]
            result.usage.CopyFrom(
                jobs_pb2.Usage(call_count=1, input_tokens=10, output_tokens=2, cost_micros=7)
            )
            gateway.recorded.append((len(gateway.recorded) + 1, result))

    return record


@pytest.fixture
def ended(gateway, make_job):
    """Stores a job that has ended, and returns it."""
    job = make_job(9, "SUCCEEDED")
    gateway.jobs = [job]
    return job


@pytest.fixture
def live(gateway, make_job):
    """Stores a job that has not ended, and returns it."""
    job = make_job(5, "RUNNING")
    gateway.jobs = [job]
    return job
