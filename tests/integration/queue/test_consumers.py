"""Consumers of RabbitMQ whose queue is deleted."""

import gc
from collections import deque

import pika
import pytest
from dramatiq.errors import ConnectionClosed

from services.shared.queue.brokers import open_broker

QUEUE = "headrace.default"


@pytest.fixture
def broker(servers):
    broker = open_broker(servers.make_vhost())
    yield broker
    broker.close()


@pytest.fixture
def no_search_for_garbage():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def delete_queue(broker):
    with pika.BlockingConnection(broker.parameters) as connection:
        connection.channel().queue_delete(QUEUE)


def open_connections():
    return [
        thing for thing in gc.get_objects() if isinstance(thing, pika.BlockingConnection) and thing.is_open
    ]


def test_a_consumer_of_a_queue_that_was_deleted_leaves_no_connection_open(broker, no_search_for_garbage):
    consumer = broker.consume(QUEUE, timeout=10)
    before = len(open_connections())
    delete_queue(broker)
    with pytest.raises(ConnectionClosed, match="404"):
        deque(consumer, maxlen=0)  # runs until the error
    with pytest.raises(ConnectionClosed):
        consumer.close()
    assert len(open_connections()) == before - 1
