"""What a child process does to itself, so that it harms nobody else."""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Has the kernel kill this process as soon as its parent is gone, even where it is stuck in a handler.

    Elsewhere than on Linux the end of the socket has to do.

    Args:
        parent_pid: Who started it; a parent that is gone already ends this process now.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(0)


def limit_memory(memory_bytes: int) -> None:
    """Limits the memory that this process may take; beyond it allocations fail.

    Where memory runs out all the same, the kernel is told to take this process first.

    Args:
        memory_bytes: Of its own data, which shared libraries are not; 0: no limit.
    """
    if memory_bytes:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = memory_bytes if most == resource.RLIM_INFINITY else min(memory_bytes, most)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # no Linux, or not allowed
        Path("/proc/self/oom_score_adj").write_text("1000")
