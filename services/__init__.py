"""The services of Headrace."""

import os

# The core of gRPC prints lines to standard error that are not JSON, and quote metadata. It reads this once,
# when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
