"""Where a data set is looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from masksynth.datasets import open_dataset, resolve_root
from masksynth.errors import ConfigError, DatasetError


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKSYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MASKSYNTH_DATA_CASIA", raising=False)


def write_config(tmp_path: Path, text: str) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home/config.toml").write_text(text)


def test_the_order_is_option_environment_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {name: tmp_path / name for name in ("option", "environment", "config")}
    for place in places.values():
        place.mkdir()
    write_config(tmp_path, f'[roots]\ncasia = "{places["config"]}"\n')
    assert resolve_root("casia") == places["config"]
    monkeypatch.setenv("MASKSYNTH_DATA_CASIA", str(places["environment"]))
    assert resolve_root("casia") == places["environment"]
    assert resolve_root("casia", places["option"]) == places["option"]


def test_nothing_said_names_all_three_ways_and_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--root DIR.*MASKSYNTH_DATA_CASIA=DIR.*\[roots\].*config\.toml") as caught:
        resolve_root("casia")
    assert caught.value.exit_code == 2


def test_a_place_that_is_not_there_is_named_with_who_said_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKSYNTH_DATA_CASIA", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"gone: there is no such folder \(from \$MASKSYNTH_DATA_CASIA\)"):
        resolve_root("casia")


@pytest.mark.parametrize("text", ['roots = "here"', "[roots]\ncasia = 3"])
def test_a_config_of_the_wrong_kind_is_named(tmp_path: Path, text: str) -> None:
    write_config(tmp_path, text)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        resolve_root("casia")


def test_an_unknown_data_set_lists_those_known() -> None:
    with pytest.raises(ConfigError, match=r"no data set 'lfw'\. Known are: casia"):
        open_dataset("lfw", ".")


def test_a_folder_that_may_not_be_read_does_not_stop_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lost+found", "sets/nir/ann", "sets/vis/ann"):
        (tmp_path / name).mkdir(parents=True)
    for kind in ("nir", "vis"):
        (tmp_path / f"sets/{kind}/ann/1.png").touch()
    whole = os.scandir

    def scandir(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert open_dataset("folder", tmp_path).root.name == "sets"
    with pytest.raises(DatasetError, match=r"lost\+found: the folder could not be read \(Permission denied\)"):
        open_dataset("folder", tmp_path / "lost+found")
