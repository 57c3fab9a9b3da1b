"""Single attempts of items: a handler runs, and its outcome is decided."""
