"""Plain Dramatiq on RabbitMQ: ``dramatiq tests.bench.peers.dramatiq_app``.

BENCH_RABBITMQ_URL is the broker. Each finished message appends a line with the time to BENCH_DONE_FILE,
because plain Dramatiq stores no results.
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
    """Appends a line to the file, and does nothing else."""
    os.write(_done, b"%.6f\n" % time.time())
