"""Checks of the fields and headers that a job adds to its requests."""
