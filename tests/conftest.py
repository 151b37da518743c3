"""Fixtures for every room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real photos for development; tests that want it are skipped where MASKSYNTH_TEST_DATA is unset."""
    folder = os.environ.get("MASKSYNTH_TEST_DATA")
    if not folder:
        pytest.skip("MASKSYNTH_TEST_DATA is not set: no real photos here")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"MASKSYNTH_TEST_DATA={folder}: is not a folder")
    return path
