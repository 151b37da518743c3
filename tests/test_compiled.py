"""Kernels are kept somewhere wherever masksynth is installed, and nowhere that another user could write to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import masksynth
from masksynth.compiled import kernel_files

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
    assert kept_in(read_only_package, MASKSYNTH_HOME=str(home)).parents[1] == home / "kernels"
    assert kept_in(read_only_package, NUMBA_CACHE_DIR=str(tmp_path / "n")).parent == tmp_path / "n"
    assert (home / "kernels").stat().st_mode & 0o077 == 0


def test_where_the_home_is_read_only_too_a_folder_of_the_users_own_serves(
    read_only_package: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    words = {"HOME": str(read_only_package), "XDG_CACHE_HOME": str(read_only_package / "c"), "TMPDIR": str(temporary)}
    own = temporary / f"masksynth-kernels-{os.getuid()}"
    assert kept_in(read_only_package, **words).parents[1] == own
    own.chmod(0o777)  # somebody else could have put code there
    other = kept_in(read_only_package, **words).parents[1]
    assert other != own
    assert other.parent == temporary


def test_every_file_with_compiled_code_counts() -> None:
    package = Path(masksynth.__file__).parent
    held = [p for p in package.rglob("*.py") if re.search(r"^(@njit|@intrinsic)|import njit", p.read_text(), re.M)]
    assert sorted(held) == kernel_files(package)


def test_a_change_in_any_kernel_file_compiles_all_anew(tmp_path: Path) -> None:
    """Also those of another file that only draw its functions in."""
    source = Path(masksynth.__file__).parent
    package = tmp_path / "masksynth"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = kept_in(tmp_path)
    assert before.is_relative_to(package / "__pycache__")
    assert kept_in(tmp_path) == before
    with (package / "_vectors.py").open("a") as file:
        file.write("# changed\n")
    after = kept_in(tmp_path)
    assert after != before
    assert not before.parent.exists()  # what is out of date goes


@pytest.mark.parametrize(
    ("words", "file", "kernel", "about"),
    [
        ("", "_surface_kernels", "find_surface", "about half a minute"),
        ("'draw_nearest', 'some seconds'", "_kernels", "draw_nearest", "some seconds"),
    ],
)
def test_a_machine_that_never_compiled_is_told_apart(
    tmp_path: Path, words: str, file: str, kernel: str, about: str
) -> None:
    asked = [sys.executable, "-c", f"from masksynth.cli.options import tell_of_compiling as t; t({words})"]
    source = Path(masksynth.__file__).parent / "render" / f"{file}.py"
    assert f"def {kernel}(" in source.read_text()
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}

    def told() -> str:
        return subprocess.run(asked, env=environment, capture_output=True, text=True, check=True).stderr

    assert told() == f"compiling for this machine, this once: {about}\n"
    place = tmp_path / "render_0123456789abcdef"
    place.mkdir()
    (place / f"{file}.{kernel}-1.py312.nbi").touch()
    assert told() == ""


MACHINE_CODE = """
import hashlib, re
from numba import f4, f8, i8
from masksynth.compose._light_kernels import light_beyond as kernel
anew = type(kernel)(kernel.py_func, targetoptions=kernel.targetoptions)  # not from the cache
plane, planes = f4[:, ::1], f4[:, :, ::1]
anew.compile((planes, planes, plane, f8[:, ::1], f8[::1], i8, f4[::1], f4[::1], planes, planes, plane))
code = next(iter(anew.inspect_asm().values()))
print(hashlib.sha256(re.sub(r"_ZN\\w+|B\\d+v\\d+|[$]\\d{10,}", "", code).encode()).hexdigest())
"""


def test_kernels_are_the_same_machine_code_in_every_process() -> None:
    """Numba's order of variables follows Python's hashes of their names: no choice of rounding may hang on it."""
    found = {
        subprocess.run(
            [sys.executable, "-c", MACHINE_CODE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
