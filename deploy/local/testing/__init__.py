"""Servers and services for tests, as real processes with their own ports and data."""

import os

# Set before gRPC is first used. Its fork handlers run in a child that changes its user, such as PostgreSQL's,
# and may end that child before its program starts if calls are in flight here.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
