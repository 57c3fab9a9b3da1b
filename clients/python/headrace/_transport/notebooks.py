"""Tells whether the code runs in a notebook."""

import sys
import threading


def in_notebook() -> bool:
    """Returns whether a kernel of Jupyter runs this process."""
    interactive = sys.modules.get("IPython")
    if interactive is None or "ipykernel" not in sys.modules:
        return False
    shell = interactive.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


def in_cell() -> bool:
    """Returns whether the calling thread is the one that runs the cells of a notebook."""
    return threading.current_thread() is threading.main_thread() and in_notebook()
