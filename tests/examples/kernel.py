"""Runs cells in a real kernel: ``python kernel.py CELLS``, in the environment of the examples.

CELLS is JSON: a list of cells, each with its code, and with the text after which the kernel is interrupted if
it is. Prints the output of each cell as JSON: its text, and the name of its error.
"""

import json
import sys
import time

from jupyter_client.manager import start_new_kernel

_SECONDS = 60


def run_cell(manager, client, code, interrupt_after=None):
    """Returns what a cell printed, and the name of its error."""
    client.execute(code)
    text, error, end = "", "", time.monotonic() + _SECONDS
    while time.monotonic() < end:
        message = client.get_iopub_msg(timeout=_SECONDS)
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            text += content["text"]
        elif kind == "execute_result":
            text += content["data"]["text/plain"] + "\n"
        elif kind == "error":
            error = content["ename"]
        elif kind == "status" and content["execution_state"] == "idle":
            return {"text": text, "error": error}
        if interrupt_after is not None and interrupt_after in text:
            interrupt_after = None
            manager.interrupt_kernel()
    raise TimeoutError(code)


def main():
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for cell in json.loads(sys.argv[1]):
            print(json.dumps(run_cell(manager, client, *cell)), flush=True)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
