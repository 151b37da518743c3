"""masksynth templates: what it says of files that are no templates."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from masksynth.cli.main import main
from masksynth.resources import packaged_templates, user_templates


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASKSYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_check_looks_at_every_file_and_takes_names_too(home: Path) -> None:
    (home / "text.png").write_text("no picture", encoding="utf-8")
    good = str(packaged_templates() / "cloth-navy.png")
    result = CliRunner().invoke(main, ["templates", "check", "text.png", good, "surgical-blue", "missing.png"])
    assert result.exit_code == 1
    assert "text.png: is not a PNG file" in result.output
    assert f"{good}: a template, " in result.output
    assert "surgical-blue: a template, " in result.output
    assert "missing.png: there is no such file" in result.output
    assert "2 of 4 files are no templates" in result.output


def test_check_of_one_file_is_one_sentence(home: Path) -> None:
    (home / "text.png").write_text("no picture", encoding="utf-8")
    result = CliRunner().invoke(main, ["templates", "check", "text.png"])
    assert result.exit_code == 1
    assert result.output.strip().count("\n") == 0


def test_a_damaged_file_in_the_library_does_not_hide_the_others(home: Path) -> None:
    user_templates().mkdir(parents=True)
    (user_templates() / "broken.png").write_text("no picture", encoding="utf-8")
    result = CliRunner().invoke(main, ["templates", "list"])
    assert result.exit_code == 0
    assert "warning: " in result.output
    assert "broken.png: is not a PNG file" in result.output
    assert "surgical-white" in result.output


@pytest.mark.parametrize("arguments", [["show", "", "-o", "o.png"], ["add", "GOOD", "--name", ""]])
def test_an_empty_name_is_refused(home: Path, arguments: list[str]) -> None:
    arguments = [str(packaged_templates() / "cloth-navy.png") if word == "GOOD" else word for word in arguments]
    result = CliRunner().invoke(main, ["templates", *arguments])
    assert result.exit_code == 1
    assert "''" in result.output
