"""Limits that a child process sets for itself, to protect everything else on the machine."""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Makes the kernel kill this process as soon as its parent is gone, even if it is stuck in a handler.

    On systems other than Linux only the end of the socket ends it.

    Args:
        parent_pid: Process that started this one. If it is gone already, this process exits now.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(0)


def limit_memory(memory_bytes: int) -> None:
    """Limits the memory of this process; allocations beyond the limit fail.

    If the machine still runs out of memory, the kernel kills this process first.

    Args:
        memory_bytes: Limit of its own data, without shared libraries; 0: no limit.
    """
    if memory_bytes:
        _, limit = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = memory_bytes if limit == resource.RLIM_INFINITY else min(memory_bytes, limit)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # not Linux, or not permitted
        Path("/proc/self/oom_score_adj").write_text("1000")
