"""Parts of ``headrace.kinds.labels``."""
