"""Fixtures for every room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import masksynth.cli  # noqa: F401 - before numpy: products on two threads round otherwise than a command's on one

NOBODY = 65534


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


@pytest.fixture
def nobody(tmp_path: Path):
    """Run as a user whom permissions bind, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    for folder in [tmp_path, *tmp_path.parents]:  # pytest keeps its folders to the one user
        if folder.stat().st_uid == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
