from __future__ import annotations

from pathlib import Path

import pytest

from masksynth.photos import write_photo


@pytest.fixture(scope="session")
def face_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated face, frontal, in colour."""
    from masksynth.datasets.generated import View, identity, render_face

    path = tmp_path_factory.mktemp("face") / "face.png"
    write_photo(path, render_face(identity(0, 2), View(), "vis", (320, 240)).pixels)
    return path
