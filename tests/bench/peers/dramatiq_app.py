"""Plain Dramatiq on RabbitMQ: ``dramatiq tests.bench.peers.dramatiq_app``.

BENCH_RABBITMQ_URL is the broker. Each message that is done adds a line with the time to BENCH_DONE_FILE:
Dramatiq keeps no results of itself.
"""

import os
import time

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

broker = RabbitmqBroker(url=os.environ["BENCH_RABBITMQ_URL"], confirm_delivery=True)
dramatiq.set_broker(broker)
_done = os.open(os.environ["BENCH_DONE_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


@dramatiq.actor(queue_name="bench", max_retries=0)
def noop(item: dict[str, object]) -> None:
    """Does nothing but say that it was done."""
    os.write(_done, b"%.6f\n" % time.time())
