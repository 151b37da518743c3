"""Packaged numbers that the code needs, made by the programs in ``tools/``; read through ``importlib.resources``."""
