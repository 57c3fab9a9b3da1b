"""Certificates that the worker trusts, chosen as the openai library does."""

import os
import ssl
import sys
from pathlib import Path

from headrace.kinds import JobFailedError
from headrace.reasons import ErrorReason

# Bundles of common distributions, for a Python whose own path does not exist.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def open_ssl_context() -> ssl.SSLContext:
    """Returns a context with the certificates of SSL_CERT_FILE, of SSL_CERT_DIR, or of the system.

    Raises:
        JobFailedError: PROVIDER_NOT_CONFIGURED. The file or folder cannot be read.
    """
    cafile = os.environ.get("SSL_CERT_FILE")
    capath = os.environ.get("SSL_CERT_DIR")
    try:
        if cafile:
            return ssl.create_default_context(cafile=cafile)
        if capath:
            return ssl.create_default_context(capath=capath)
        return _system_context()
    except OSError:  # ssl.SSLError is one
        name = "SSL_CERT_FILE" if cafile else "SSL_CERT_DIR" if capath else "the system"
        raise JobFailedError(
            ErrorReason.PROVIDER_NOT_CONFIGURED, f"the worker cannot read the certificates of {name}"
        ) from None


def _system_context() -> ssl.SSLContext:
    if sys.platform in ("darwin", "win32"):
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and not context.cert_store_stats()["x509_ca"]:
        bundle = next((each for each in _BUNDLES if Path(each).is_file()), None)
        if bundle is not None:
            context.load_verify_locations(bundle)
    return context
