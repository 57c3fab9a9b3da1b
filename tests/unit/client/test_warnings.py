"""Warnings of a gateway about a submitted job, and the sample of an upload that it checks."""

import json
import logging

import grpc
import pytest

from headrace import Client, ResourceExhaustedError, UnavailableError
from headrace.gateway.v1 import gateway_pb2

WARNING = "3 of 10 items lack company: they will fail"


@pytest.mark.parametrize("method", ["submit", "estimate"])
async def test_warnings_are_logged_by_the_logger_headrace(gateway, caplog, method):
    gateway.warnings = [WARNING]
    async with Client(gateway.target) as hr:
        await getattr(hr, method)("noop", [1, 2])
    assert [
        (each.name, each.levelno, each.message) for each in caplog.records if each.name == "headrace"
    ] == [("headrace", logging.WARNING, WARNING)]


async def test_a_sample_of_an_upload_is_spread_over_the_first_items(gateway):
    items = [{"n": n, "text": "x" * 1000} for n in range(6000)]
    async with Client(gateway.target) as hr:
        await hr.submit("noop", items)
    (request,) = gateway.requests_of(gateway_pb2.SubmitJobRequest)
    numbers = [json.loads(text)["n"] for text in request.sample_items]
    assert request.upload
    assert not request.items
    assert 30 < len(numbers) <= 100
    assert numbers[0] == 0
    assert numbers == sorted(set(numbers))
    assert numbers[-1] > 3500
    assert request.ByteSize() < 80_000


async def test_huge_items_are_not_sampled(gateway):
    async with Client(gateway.target) as hr:
        await hr.submit("noop", ["x" * 900_000] * 6)
    (request,) = gateway.requests_of(gateway_pb2.SubmitJobRequest)
    assert list(request.sample_items) == []


async def test_items_of_one_request_are_their_own_sample(gateway):
    async with Client(gateway.target) as hr:
        await hr.submit("noop", [1, 2])
    (request,) = gateway.requests_of(gateway_pb2.SubmitJobRequest)
    assert list(request.sample_items) == []


@pytest.mark.parametrize(
    "fault",
    [
        ResourceExhaustedError("its disk is full", reason="STORAGE_FULL"),
        UnavailableError("it is read-only", reason="STORAGE_FAILED"),
    ],
    ids=lambda fault: fault.reason,
)
async def test_faults_of_the_storage_are_raised_without_a_repeat(gateway, fault):
    async with Client(gateway.target) as hr:
        gateway.failures = [fault]
        with pytest.raises(type(fault), match=fault.reason):
            await hr.submit("noop", [1, 2])
        gateway.break_upload(fault)
        gateway.break_upload(grpc.StatusCode.INTERNAL)
        with pytest.raises(type(fault), match=fault.reason):
            await hr.submit("noop", ["x" * 900_000] * 6)
    assert len(gateway.append_streams) == 1
