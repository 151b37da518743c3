"""Masks are put on in room that is kept: no call asks the system for any."""

from __future__ import annotations

import resource
import tracemalloc

import cv2
import numpy as np
import pytest
from faces import lower_face_template, posed

from masksynth.compose import ComposeConfig, Composer

LARGEST_TABLE = 24_000  # bytes: numbers, views and a row of quantiles; a picture's worth is far more


def largest_and_kept(work, calls=20):
    """The most bytes that a call has at a time beyond what was there before, and the pages that `calls` touch anew."""
    for _ in range(3):
        work()
    tracemalloc.start()
    try:
        work()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        work()
        largest = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(calls):
        work()
    return largest, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - pages


@pytest.mark.parametrize("softness", [0.0, 2.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_looking_and_wearing_allocate_no_picture(softness, channels):
    rng = np.random.default_rng(0)
    host = rng.integers(0, 256, (320, 300, 3)[: 2 if channels == 1 else 3], np.uint8)
    if softness:
        host = np.asarray(cv2.GaussianBlur(host, (0, 0), softness), np.uint8)
    v, u = np.mgrid[:256, :256]
    height = (0.1 * np.exp(-(((u - 128) / 40) ** 2 + ((v - 140) / 30) ** 2))).astype(np.float32)
    template, face = lower_face_template(nir=0.6, height=height), posed(20, interocular=90, centre=(150, 120))
    composer = Composer(ComposeConfig())
    alpha, touched = np.zeros(host.shape[:2], np.uint8), np.zeros(host.shape[:2], bool)
    image = host.copy()

    def both():
        composer.look(host, face.position_map, "nir" if channels == 1 else "vis")
        composer.wear(template, image, alpha, touched)

    largest, pages = largest_and_kept(both)
    assert touched.sum() > 5000  # 20 kB as float32
    assert largest < LARGEST_TABLE
    assert pages < 20  # fewer than one a call
