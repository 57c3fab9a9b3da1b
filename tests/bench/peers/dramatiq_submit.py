"""Publishes messages of plain Dramatiq from threads: python -m tests.bench.peers.dramatiq_submit COUNT N.

It prints its seconds and CPU seconds as JSON.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.bench.peers.dramatiq_app import noop


def publish(count: int) -> None:
    """Publishes messages one after another. The broker confirms each."""
    for _ in range(count):
        noop.send({})


def main() -> None:
    """Publishes from all threads and prints the cost."""
    count, thread_count = int(sys.argv[1]), int(sys.argv[2])
    with ThreadPoolExecutor(thread_count) as threads:
        list(threads.map(publish, [1] * thread_count))  # connects before the measurement
        cpu_begin, begin = time.process_time(), time.perf_counter()
        list(threads.map(publish, [count // thread_count] * thread_count))
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu_begin
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu}))


if __name__ == "__main__":
    main()
