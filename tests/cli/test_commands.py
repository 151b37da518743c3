"""What holds for every command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from masksynth.cli.main import COMMANDS, main

DOCS = Path(__file__).parents[2] / "docs"
HEAVY = ("torch", "numba", "cv2", "numpy", "scipy", "h5py", "PIL", "ai_edge_litert")


def command_of(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def leaves(name: str) -> Iterator[tuple[str, click.Command]]:
    """The command itself, or each of a group's."""
    command = command_of(name)
    if isinstance(command, click.Group):
        for sub, inner in command.commands.items():
            yield f"{name} {sub}", inner
    else:
        yield name, command


def help_of(name: str) -> list[str]:
    result = CliRunner().invoke(main, [*name.split(), "--help"])
    assert result.exit_code == 0, result.output
    return [line.strip() for line in result.output.splitlines() if line.strip()]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_line_of_help_is_that_of_the_list(name: str):
    assert (command_of(name).help or "").strip().splitlines()[0] == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example_of_the_command(name: str):
    for full, command in leaves(name):
        last = (command.help or "").strip().split("\n\n")[-1]
        assert last.replace("\b", "").strip().startswith("Example"), full
        assert f"masksynth {full}" in last, full


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_printed_and_begins_with_a_verb_and_ends_with_a_stop(name: str):
    for full, command in leaves(name):
        first = (command.help or "").strip().splitlines()[0]
        assert first[0].isupper(), full
        assert first.endswith("."), full
        assert first in " ".join(help_of(full)), full


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_in_its_help_or_by_its_choices(name: str):
    for full, command in leaves(name):
        for option in command.params:
            if isinstance(option, click.Option) and not option.help and not option.is_flag:
                plain = option.show_default and option.default is not None
                assert plain or isinstance(option.type, click.Choice), f"{full} {option.opts[0]}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_docs_list_every_command(name: str):
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    for full, _ in leaves(name):
        assert f"`masksynth {full}" in text, full


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_in_the_docs(name: str):
    text = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    for full, command in leaves(name):
        for option in command.params:
            if isinstance(option, click.Option):
                words = option.opts + option.secondary_opts
                assert any(word in text for word in words if word.startswith("--")), f"{full} {option.opts}"


def loaded_by(code: str, *, cwd: Path | None = None) -> set[str]:
    """Which of the heavy packages a fresh Python has loaded after `code`."""
    ending = f"\nimport sys\nprint('LOADED', *[n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def command_line(*words: str) -> str:
    run = f"try:\n    main({list(words)!r}, standalone_mode=False)\nexcept SystemExit as end:\n    assert not end.code"
    return f"from masksynth.cli import main\n{run}"


def test_import_loads_nothing_heavy():
    assert loaded_by("import masksynth") == set()


def test_the_list_of_commands_loads_nothing_heavy():
    assert loaded_by(command_line("--help")) == set()


def test_the_version_loads_nothing_heavy():
    assert loaded_by(command_line("--version")) == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_loads_no_torch(name: str):
    assert "torch" not in loaded_by(command_line(name, "--help"))


def test_an_unknown_command_is_wrong_usage():
    result = CliRunner().invoke(main, ["aply"])
    assert result.exit_code == 2
    assert "aply" in result.stderr


@pytest.mark.parametrize("words", [["apply", "-t", "surgical-blue", "-o", "out.png"], ["reconstruct", "-o", "out.npz"]])
def test_work_on_a_photo_loads_no_torch(face_photo: Path, tmp_path: Path, words: list[str]):
    loaded = loaded_by(command_line(words[0], str(face_photo), *words[1:]), cwd=tmp_path)
    assert "numba" in loaded or "ai_edge_litert" in loaded  # it did work
    assert "torch" not in loaded
    assert (tmp_path / words[-1]).is_file()


def test_products_of_small_arrays_take_one_thread() -> None:
    ask = (
        "import masksynth.cli, numpy, threadpoolctl; numpy.ones((9, 9)) @ numpy.ones((9, 9)); "
        "print([pool['num_threads'] for pool in threadpoolctl.threadpool_info() if pool['internal_api'] == 'openblas'])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    ended = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert set(json.loads(ended.stdout)) == {1}
