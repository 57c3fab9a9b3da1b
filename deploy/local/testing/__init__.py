"""Servers and services for tests: real processes that share nothing with those of other tests."""

import os

# Before gRPC is first used. Its handlers of fork run in a child that changes its user, such as PostgreSQL,
# and may end it before its program starts where calls are under way here.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
