"""Keeps a gRPC server reachable: its listening port, its handlers, and the errors that it answers with."""
