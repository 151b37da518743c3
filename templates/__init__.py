"""The packaged mask templates: PNG files in the UV layout, read through ``importlib.resources``."""
