"""Writing generated data sets."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from masksynth.cli.demo_dataset import command
from masksynth.datasets.generated import demo
from masksynth.datasets.generated.demo import DemoConfig, write_demo
from masksynth.errors import ConfigError, OutputError

FEW = {"subjects": 4, "nir_photos": 1, "vis_photos": 1}


def test_a_folder_with_something_in_it_is_refused_without_force(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces/mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="is not empty"):
        write_demo(tmp_path / "faces", DemoConfig(**FEW))
    assert [path.name for path in tmp_path.rglob("*")] == ["faces", "mine.txt"]
    write_demo(tmp_path / "faces", DemoConfig(**FEW), force=True)
    assert not (tmp_path / "faces/mine.txt").exists()
    assert (tmp_path / "faces/truth.npz").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_nothing_is_left_of_a_run_that_stops(tmp_path: Path) -> None:
    photos = []

    def stop() -> None:
        photos.append(1)
        if len(photos) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_demo(tmp_path / "faces", DemoConfig(**FEW), progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"subjects": 3}, "subjects must be at least 4"),
        ({"nir_photos": 0}, "nir_photos must be at least 1"),
        ({"yaw": 91.0}, "yaw must be between 0 and 90"),
        ({"layout": "lfw"}, "no layout 'lfw'"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        DemoConfig(**values)  # type: ignore[arg-type]


def test_a_missing_parent_or_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        write_demo(tmp_path / "file", DemoConfig(**FEW))
    with pytest.raises(OutputError, match="does not exist"):
        write_demo(tmp_path / "no/faces", DemoConfig(**FEW))


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    trees = []
    for name in ("one", "two"):
        write_demo(tmp_path / name, DemoConfig(**FEW, layout="buaa", seed=9))
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file() and path.suffix != ".npz")
        trees.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert trees[0] == trees[1]


def test_the_command_writes_a_data_set_and_the_line_to_type_next(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        command, [str(tmp_path / "faces"), "--subjects", "4", "--nir-photos", "1", "--vis-photos", "1"]
    )
    assert result.exit_code == 0, result.output
    assert f"next: masksynth apply --dataset casia --root {tmp_path / 'faces'}" in result.output
    assert demo.LAYOUTS.keys() == set(_layout_choices())


def _layout_choices() -> tuple[str, ...]:
    (option,) = [parameter for parameter in command.params if parameter.name == "layout"]
    return tuple(option.type.choices)  # type: ignore[attr-defined]
