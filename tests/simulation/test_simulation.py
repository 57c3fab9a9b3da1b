"""The scenarios on a small fleet. Time is virtual, so that each takes the same on any machine."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from tests.simulation import scenarios
from tests.simulation.scenarios import Size
from tests.simulation.virtual_time import run_virtually

SIZE = Size(workers=8, limit=40, call_seconds=4.0, work_seconds=20.0)
SUCCEEDED = {jobs_pb2.JOB_STATE_SUCCEEDED}


def test_tenants_share_a_full_fleet_and_a_late_small_job_waits_for_about_one_item():
    found = run_virtually(scenarios.try_tenants(SIZE))
    assert found.shares["large"] == pytest.approx(0.5, abs=0.1)
    assert found.late.start < 1.0
    assert found.late.end < found.idle.end + SIZE.call_seconds
    assert found.states == SUCCEEDED


def test_classes_with_work_get_starts_by_their_weights_though_their_chunks_are_larger_than_their_slots():
    found = run_virtually(scenarios.try_classes(SIZE))
    assert found == pytest.approx({"interactive": 16 / 21, "default": 4 / 21, "bulk": 1 / 21}, abs=0.01)


@pytest.mark.parametrize(("ports_refuse", "seconds"), [(True, 12.0), (False, 38.0)])
def test_chunks_of_dead_workers_run_again_and_only_what_was_in_flight_is_repeated(ports_refuse, seconds):
    found = run_virtually(scenarios.try_deaths(SIZE, ports_refuse=ports_refuse))
    assert len(found.again) == found.lost_count > 0
    assert found.again[-1] < seconds
    assert 0 < found.repeated_count <= found.in_flight_count
    assert (found.missing_count, found.states) == (0, SUCCEEDED)


def test_a_minute_without_the_store_costs_no_worker_no_chunk_and_no_call():
    found = run_virtually(scenarios.try_outage(SIZE))
    assert (found.fewest_live, found.lost_count, found.repeated_count) == (SIZE.workers, 0, 0)
    assert found.idle_seconds < 3.0
    assert found.states == SUCCEEDED


def test_a_backlog_makes_workers_ask_for_chunks_about_as_often_as_they_get_some():
    found = run_virtually(scenarios.try_load(SIZE))
    assert found.calls["LeaseChunks"] < found.items / 100 + SIZE.workers
    assert found.messages < 1.0
