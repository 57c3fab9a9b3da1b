"""Writes results: JSON lines, tables of text, Parquet and Arrow, DataFrames."""
