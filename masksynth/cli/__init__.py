"""The command line: one thin file per command."""

import os

# Before numpy is loaded. Its products here are small: a second thread gains little, and where another process has the
# other core, threads that wait for each other take ten times as long. Torch has threads of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from masksynth.cli.main import main

__all__ = ["main"]
