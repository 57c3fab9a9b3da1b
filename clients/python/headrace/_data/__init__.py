"""Turns any source of rows into an iterator of items: files, DataFrames, Arrow tables, Python values."""
