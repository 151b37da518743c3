"""What is installed is what the tree holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def settings() -> dict[str, object]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def test_every_package_is_listed() -> None:
    listed = set(settings()["tool"]["setuptools"]["packages"])  # type: ignore[index]
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "masksynth").rglob("__init__.py")}
    assert listed == there | {"masksynth.templates", "masksynth.assets"}


def test_version_is_written_once() -> None:
    import masksynth

    assert settings()["project"]["version"] == masksynth.__version__  # type: ignore[index]


def test_data_folders_are_found() -> None:
    templates = [entry.name for entry in files("masksynth.templates").iterdir() if entry.name.endswith(".png")]
    assert len(templates) >= 4
    assert any(entry.name != "__init__.py" for entry in files("masksynth.assets").iterdir())


def test_every_pinned_requirement_is_in_range() -> None:
    from packaging.requirements import Requirement
    from packaging.version import Version

    pinned = dict(
        line.lower().split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    project = settings()["project"]
    extras = project["optional-dependencies"]  # type: ignore[index]
    for text in [*project["dependencies"], *(text for extra in extras.values() for text in extra)]:  # type: ignore[index]
        requirement = Requirement(text)
        assert requirement.name.lower() in pinned, f"{requirement.name} is not pinned"
        assert Version(pinned[requirement.name.lower()]) in requirement.specifier


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")
@pytest.mark.parametrize("fault", ["none", "moved", "Python gone"])
def test_environment_that_cannot_work_is_made_anew(tmp_path: Path, fault: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    if fault != "Python gone":
        (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / ".venv" / ".created").write_text(f"{tmp_path if fault != 'moved' else '/elsewhere'}\n")
    make = ["make", "--dry-run", ".venv/.created"]
    said = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert ("-m venv" in said) == (fault != "none")


@pytest.mark.slow
def test_wheel_works_in_an_empty_folder(tmp_path: Path) -> None:
    """The built wheel, unpacked elsewhere, finds its data; its dependencies are those of this environment."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(site)], check=True)
    # First on the path, and without the editable install's finder, which would answer before it.
    script = (
        f"import sys; sys.path.insert(0, {str(site)!r}); "
        "sys.meta_path[:] = [finder for finder in sys.meta_path if 'editable' not in repr(finder)]; "
        "import masksynth; from masksynth.template import library; print(masksynth.__file__, len(library()))"
    )
    answer = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True)
    where, count = answer.stdout.split()
    assert where.startswith(str(site))
    assert int(count) >= 4
