"""The metrics of this process over HTTP, for Prometheus."""

import socket
import socketserver
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import REGISTRY, make_wsgi_app

from services.shared.logging import get_logger

log = get_logger(__name__)

# A scraper that stands still is left after so long: the next one waits for it.
_READ_SECONDS = 5.0


class _Handler(WSGIRequestHandler):
    timeout = _READ_SECONDS

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: a scrape is no event."""


class _Server(WSGIServer):
    def server_bind(self) -> None:
        """Binds, without asking DNS for this host's name as the class above would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says only what kind of error broke a scrape off."""
        kind = sys.exc_info()[0]
        log.debug("scrape_failed", error=kind.__name__ if kind else "")


class _Ipv6Server(_Server):
    address_family = socket.AF_INET6


class MetricsServer:
    """Serves ``/metrics``, one scrape at a time, from one thread of its own: the loop is never held up.

    Args:
        listen: ``host:port``; port 0 takes a free one.

    Raises:
        OSError: The address cannot be bound.
    """

    def __init__(self, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        self._host = host
        server_class = _Ipv6Server if host.startswith("[") else _Server
        self._server = server_class((host.strip("[]"), int(port)), _Handler)
        self._server.set_app(make_wsgi_app(REGISTRY))
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def target(self) -> str:
        """``host:port`` with the port that was bound."""
        return f"{self._host}:{self._server.server_port}"

    def close(self) -> None:
        """Ends the scrape under way, stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serve_metrics(listen: str | None) -> Iterator[None]:
    """Serves the metrics of this process while the block runs, its drain included.

    Where the address cannot be bound, the process ends with exit code 1 and an error in the log.

    Args:
        listen: ``host:port``; port 0 takes a free one, which the log says; None: they are not served.
    """
    if listen is None:
        yield
        return
    try:
        server = MetricsServer(listen)
    except OSError as error:
        log.error("metrics_not_served", listen=listen, error=str(error))
        sys.exit(1)
    log.info("metrics_served", target=server.target)
    try:
        yield
    finally:
        server.close()
