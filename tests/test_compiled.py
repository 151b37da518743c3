"""Kernels are kept somewhere wherever masksynth is installed, and nowhere that another user could write to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ASK = "import masksynth.render._kernels as k; print(k.draw_nearest.stats.cache_path)"


@pytest.fixture
def read_only_package(tmp_path: Path) -> Iterator[Path]:
    """The source of masksynth where nothing can be written, as an administrator installs it."""
    place = tmp_path / "site"
    place.mkdir()
    source = Path(__file__).parents[1]
    steps = [["--bind", str(source)], ["-o", "remount,ro,bind"]]
    for words in steps:
        if subprocess.run(["mount", *words, str(place)], capture_output=True, check=False).returncode:
            pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def kept_in(package: Path, **environment: str) -> Path:
    # The path comes first, so that the read-only copy is imported and not the one under test beside it.
    words = [sys.executable, "-P", "-c", ASK]
    variables = {name: value for name, value in os.environ.items() if name not in ("MASKSYNTH_HOME", "NUMBA_CACHE_DIR")}
    ended = subprocess.run(
        words, env={**variables, "PYTHONPATH": str(package), **environment}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return Path(ended.stdout.strip())


def test_a_read_only_package_keeps_its_kernels_with_the_user(read_only_package: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert kept_in(read_only_package, MASKSYNTH_HOME=str(home)).parent == home / "kernels"
    assert kept_in(read_only_package, NUMBA_CACHE_DIR=str(tmp_path / "n")).parent == tmp_path / "n"
    assert (home / "kernels").stat().st_mode & 0o077 == 0


def test_where_the_home_is_read_only_too_a_folder_of_the_users_own_serves(
    read_only_package: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    words = {"HOME": str(read_only_package), "XDG_CACHE_HOME": str(read_only_package / "c"), "TMPDIR": str(temporary)}
    own = temporary / f"masksynth-kernels-{os.getuid()}"
    assert kept_in(read_only_package, **words).parent == own
    own.chmod(0o777)  # somebody else could have put code there
    other = kept_in(read_only_package, **words).parent
    assert other != own
    assert other.parent == temporary
