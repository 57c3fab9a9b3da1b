"""Checks the prose of docstrings, comments and documents against the rules of the house."""
