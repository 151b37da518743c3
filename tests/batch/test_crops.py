"""Both readings of a 144 crop, and other sides, chosen on the command line and named in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from drawn_faces import drawn_face

from masksynth.align import reference_points
from masksynth.cli.main import main
from masksynth.photos import write_photo
from masksynth.store import open_store, verify_store


@pytest.mark.parametrize(("crop", "side"), [("scaled", 144), ("margin", 144), ("scaled", 112), ("margin", 200)])
def test_the_crop_is_as_asked_and_named(tmp_path: Path, crop: str, side: int) -> None:
    """The face stands near the photo's corner, so that a crop reaches beyond it."""
    write_photo(tmp_path / "a.png", drawn_face(size=60, shape=(240, 240), centre=(75, 90)).rgb | 1)
    (tmp_path / "m.csv").write_text("path,subject,spectrum,split\na.png,ann,nir,train\n")
    typed = ["apply", "--dataset", "manifest", "--root", str(tmp_path / "m.csv"), "--out", str(tmp_path / "m.h5")]
    typed += ["--templates", "surgical-blue", "--share-templates", "--workers", "1"]
    result = CliRunner().invoke(main, [*typed, "--crop", crop, "--size", str(side)])
    assert result.exit_code == 0, result.output
    with open_store(tmp_path / "m.h5") as store:
        assert (store.attrs["crop"], store.attrs["border"], store.side) == (crop, "constant 0", side)
        assert store.attrs["config"]["crop"] == crop
        points = store.column("nir", "landmarks")[0]
        wanted = reference_points(side, crop)  # type: ignore[arg-type]
        np.testing.assert_allclose(points.mean(0), wanted.mean(0), atol=0.01)  # least squares keeps the middle
        np.testing.assert_allclose(points, wanted, atol=0.06 * side)
        clean = store.images("nir", [0], "clean")[0]
        if crop == "margin":
            assert clean[0, 0] == 0  # black beyond the photo, which itself has no black
        assert (clean[side // 2, side // 2] > 0).all()
    assert verify_store(tmp_path / "m.h5").problems == ()
