"""Reads the items of files in bounded memory, one module for each format."""
