"""Metrics of the embedded system: three services, one registry, one address."""

import socket

import pytest

from deploy.local.errors import LocalStackError

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def embedded(make_embedded, metrics_settings):
    return make_embedded(settings=metrics_settings)


async def test_all_services_of_the_process_are_in_one_scrape(embedded, metrics_of, finish):
    metrics = metrics_of(embedded.system)  # its log has one address
    job = await finish(embedded.gateway_target, "noop", [1, 2])
    assert job.progress.succeeded_count == 2
    await metrics.reaches(1, "headrace_jobs_submitted_total")
    await metrics.reaches(1, "headrace_jobs_ended_total", state="SUCCEEDED")
    await metrics.reaches(2, "headrace_items_recorded_total", state="SUCCEEDED")
    assert metrics.value("headrace_record_seconds_count") >= 1


def test_an_address_in_use_ends_the_start_with_a_line_that_names_it(make_embedded):
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(
            LocalStackError, match=f"metrics_not_served.*{listen}|{listen}.*metrics_not_served"
        ):
            make_embedded(settings={"HEADRACE_METRICS_LISTEN": listen})
