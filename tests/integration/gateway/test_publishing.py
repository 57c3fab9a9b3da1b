import asyncio

import pika
import pika.exceptions

from headrace.gateway.v1.gateway_pb2 import GetJobRequest


def take_message(url: str, queue: str) -> bytes | None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        _, _, body = connection.channel().basic_get(queue, auto_ack=True)
        return body
    except pika.exceptions.ChannelClosedByBroker:  # the gateway declares the queue when it first publishes
        return None
    finally:
        connection.close()


async def test_a_wake_up_that_names_the_job_reaches_rabbitmq(start_gateway, submit, rabbitmq_url):
    gateway = await start_gateway(rabbitmq_url)
    job = await submit(gateway, items=['"a secret item"'])
    async with asyncio.timeout(20):
        while not (body := await asyncio.to_thread(take_message, rabbitmq_url, "headrace.default")):
            await asyncio.sleep(0.05)
    assert job.job_id.encode() in body
    assert b"secret" not in body


async def test_an_unreachable_rabbitmq_fails_no_submission(start_gateway, submit):
    gateway = await start_gateway("amqp://guest:guest@127.0.0.1:1/")
    jobs = [await submit(gateway) for _ in range(3)]
    for job in jobs:
        assert (await gateway.stub.GetJob(GetJobRequest(job_id=job.job_id))).job == job
