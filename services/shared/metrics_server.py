"""Serves the metrics of this process over HTTP, for Prometheus."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from services.shared.logging import get_logger

log = get_logger(__name__)


@contextmanager
def serve_metrics(listen: str | None) -> Iterator[None]:
    """Serves ``/metrics`` while the block runs, including its drain.

    Requests are served by threads of their own, so that a scrape never blocks the loop. If the address
    cannot be bound, the process logs an error and exits with code 1.

    Args:
        listen: ``host:port``. Port 0 picks a free one, which is logged. None to serve no metrics.
    """
    if listen is None:
        yield
        return
    host, _, port = listen.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"))
    except OSError as error:
        log.error("metrics_not_served", listen=listen, error=str(error))
        sys.exit(1)
    log.info("metrics_served", target=f"{host}:{server.server_port}")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
