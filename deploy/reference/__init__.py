"""The reference of the Python client and of the command line, made from docstrings and help texts."""
