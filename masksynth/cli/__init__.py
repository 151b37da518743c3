"""The command line: one thin file per command."""

from masksynth.cli.main import main

__all__ = ["main"]
