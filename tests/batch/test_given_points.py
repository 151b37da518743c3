"""Where the detector sees nothing, the points or the box that a data set ships still lead to the face."""

import numpy as np
import pytest
from drawn_faces import drawn_face

from masksynth.arrays import Spectrum
from masksynth.batch.config import BatchConfig
from masksynth.batch.photo import PhotoWalk
from masksynth.batch.plan import UNMASKED, PlannedPhoto, Slot
from masksynth.errors import NoFaceError
from masksynth.photos import write_photo
from masksynth.reconstruct.given import GivenFaces


@pytest.mark.parametrize("given", ["eyes", "box", ""])
def test_points_of_the_data_set_stand_in_for_the_detector(tmp_path, given):
    face = drawn_face(yaw=10, size=70)
    write_photo(tmp_path / "a.png", face.rgb)
    walk = PhotoWalk.__new__(PhotoWalk)
    walk._prepare(tmp_path, BatchConfig(), [])
    walk.detector = GivenFaces([])  # one that finds nothing
    eyes = face.mesh[[33, 133]].mean(0)[:2], face.mesh[[263, 362]].mean(0)[:2]
    points = tuple((float(x), float(y)) for x, y in eyes) if given == "eyes" else ()
    low, high = face.mesh[:, :2].min(0), face.mesh[:, :2].max(0)
    box = (*map(float, low), *map(float, high)) if given == "box" else ()
    spectrum: Spectrum = "vis"
    photo = PlannedPhoto(0, "a", "a.png", 0, spectrum, points, (Slot("any", UNMASKED),), box)
    if given:
        row = walk(photo)[0]
        assert row.image.shape == (144, 144, 3)
        assert abs(row.pose[0] - 10) < 8
        assert np.isfinite(row.landmarks).all()
    else:
        with pytest.raises(NoFaceError):
            walk(photo)
