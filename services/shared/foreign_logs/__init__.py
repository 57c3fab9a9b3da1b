"""Turns what libraries and Python itself report into log lines, without contents of items and secrets."""
