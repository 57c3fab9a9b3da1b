"""Tells the failures of a connection apart. The messages name the host, and never a key or a path."""

import aiohttp

from headrace.kinds import RetryableError
from headrace.reasons import ErrorReason
from services.worker.calls.provider.faults import connection_fault


def connection_error(error: BaseException, host: str) -> RetryableError:
    """Returns the error for a connection that failed or broke.

    Args:
        error: Error of aiohttp or of the system.
        host: Host and port of the provider.
    """
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_fault(host, error.status)
    message = _describe(error, host)
    if message is None:
        return connection_fault()
    return RetryableError(ErrorReason.PROVIDER_UNREACHABLE, message)


def proxy_fault(host: str, status: int) -> RetryableError:
    """Returns the error for a proxy that refused to connect to a host."""
    return RetryableError(
        ErrorReason.PROVIDER_UNREACHABLE,
        f"the proxy refused the connection to {host} (HTTP {status}); check HTTPS_PROXY and HTTP_PROXY",
    )


def _describe(error: BaseException, host: str) -> str | None:
    match error:
        case aiohttp.ClientProxyConnectionError():
            return "the proxy cannot be reached; check HTTPS_PROXY and HTTP_PROXY"
        case aiohttp.ClientConnectorCertificateError():
            cause = getattr(error.certificate_error, "verify_message", "unknown cause")
            return (
                f"the certificate of {host} is not trusted ({cause}); "
                "set SSL_CERT_FILE to a file with its authority"
            )
        case aiohttp.ClientSSLError():
            return f"the TLS handshake with {host} failed; check that OPENAI_BASE_URL should begin with https"
        case aiohttp.ClientConnectorDNSError():
            return f"no such host: {host}; check OPENAI_BASE_URL and the name server"
        case aiohttp.ConnectionTimeoutError():
            return f"the connection to {host} was not accepted in time"
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return f"{host} refused the connection; check that the server listens there"
    return None
