"""Small data sets on disk for the loaders' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from masksynth.datasets.generated.demo import DemoConfig, write_demo


@pytest.fixture(scope="session")
def demo_casia(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine generated persons and one more in no list, in the layout of CASIA NIR-VIS 2.0; do not change it."""
    folder = tmp_path_factory.mktemp("demo") / "casia"
    write_demo(folder, DemoConfig(layout="casia", subjects=9, nir_photos=2, vis_photos=1, seed=3))
    return folder
