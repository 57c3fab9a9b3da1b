"""Errors of jobs in one record are all of its latest round."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.items.reporting import _add_error

EARLIER, LATER = jobs_pb2.Error(reason="EARLIER", detail="words"), jobs_pb2.Error(reason="LATER")


@pytest.mark.parametrize("rounds", [(1, 2), (2, 1)])
def test_an_error_of_an_earlier_round_is_left_out(rounds):
    record = results_pb2.JobRecord()
    errors = {1: ("job_error", EARLIER), 2: ("outage_error", LATER)}
    for error_round in rounds:
        name, error = errors[error_round]
        _add_error(record, name=name, error=error, error_round=error_round)
    assert record == results_pb2.JobRecord(outage_error=LATER, error_round=2)


def test_errors_of_one_round_share_a_record():
    record = results_pb2.JobRecord()
    for name, error in (("outage_error", LATER), ("job_error", EARLIER), ("job_error", LATER)):
        _add_error(record, name=name, error=error, error_round=3)
    assert record == results_pb2.JobRecord(outage_error=LATER, job_error=LATER, error_round=3)
