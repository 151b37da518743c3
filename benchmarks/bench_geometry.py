"""Milliseconds of detector, mesh, position map, pose and alignment on one thread.

pytest benchmarks/bench_geometry.py --benchmark-disable    run once, untimed
pytest benchmarks/bench_geometry.py                        timed
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from drawn_faces import drawn_face

from masksynth.align import crop, crop_from_photo
from masksynth.detect import load_detector
from masksynth.reconstruct import load_reconstructor
from masksynth.reconstruct.facemesh import FaceMesh
from masksynth.reconstruct.pose import pose_of
from masksynth.reconstruct.region import region_of_detection
from masksynth.reconstruct.uv_layout import landmarks68_from_mesh, position_map_from_mesh
from masksynth.weights import locate

pytestmark = pytest.mark.benchmark(group="geometry", min_rounds=30, warmup=True, warmup_iterations=3)


@pytest.fixture(scope="module")
def face():
    cv2.setNumThreads(1)
    return drawn_face(yaw=10, size=110, shape=(480, 640))


@pytest.fixture(scope="module")
def detection(face):
    return load_detector().detect(face.rgb)[0]


def test_detect_640x480(benchmark, face):
    detector = load_detector()
    assert benchmark(detector.detect, face.rgb)


def test_mesh_one_look(benchmark, face, detection):
    mesh, region = FaceMesh(locate("facemesh")), region_of_detection(detection)
    assert benchmark(mesh.fit, face.rgb, region).presence > 0.9


def test_position_map(benchmark, face):
    points = face.mesh.astype(np.float32)
    assert np.isfinite(benchmark(position_map_from_mesh, points).positions).all()


def test_pose(benchmark, face):
    points = landmarks68_from_mesh(face.mesh)
    assert abs(benchmark(pose_of, points).degrees[0] - 10) < 1


def test_reconstruct_all(benchmark, face, detection):
    reconstructor = load_reconstructor()
    assert benchmark(reconstructor.reconstruct, face.rgb, detection).score > 0.9


def test_align(benchmark, face, detection):
    result = load_reconstructor().reconstruct(face.rgb, detection)
    aligned = benchmark(lambda: crop(face.rgb, crop_from_photo(result.five_points), 144))
    assert aligned.shape == (144, 144, 3)
