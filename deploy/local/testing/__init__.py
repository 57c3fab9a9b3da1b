"""Servers and services for tests: real processes that share nothing with those of other tests."""
