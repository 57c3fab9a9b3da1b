"""The first 20 finished items of a round decide once whether its job is refused."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.results.rules.facts import JobFacts
from services.results.rules.refusals import completes_first_items, is_refusal


def job_with(**facts):
    plain = {"max_failed_ratio": 0.5, "max_parallelism": 0, "create_time": 1, "schedule_time": None}
    named = {"job_id": "j", "tenant": "t", "kind": "noop", "job_class": 2, "chunk_size": 1}
    return JobFacts(**(plain | named | {"total_count": 100} | facts))


@pytest.mark.parametrize(
    ("facts", "new_count", "expected"),
    [
        ({"failed_count": 19}, 19, False),
        ({"failed_count": 20}, 1, True),
        ({"failed_count": 20}, 20, True),
        ({"failed_count": 90}, 71, True),
        ({"failed_count": 90}, 70, False),
        ({"failed_count": 21}, 1, False),
        ({"failed_count": 20, "succeeded_count": 1}, 1, False),
        ({"failed_count": 20, "total_count": 20}, 1, False),
        ({"failed_count": 20, "total_count": 20, "upload_open": True}, 1, True),
        ({"failed_count": 40, "carried_count": 20}, 1, True),
        ({"failed_count": 40, "carried_count": 30}, 1, False),
        ({"failed_count": 20, "stopping_to": jobs_pb2.JOB_STATE_CANCELLED}, 1, False),
        ({"failed_count": 20, "finish_time": 5}, 1, False),
    ],
)
def test_new_failures_complete_the_first_items_at_most_once(facts, new_count, expected):
    assert completes_first_items(job_with(**facts), new_count) is expected


def test_only_a_refusal_of_content_is_one():
    assert is_refusal("PROVIDER_REFUSED_INPUT")
    assert not is_refusal("PROVIDER_KEY_REFUSED")
