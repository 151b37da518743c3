"""Photo and position map to UV texture T_I."""

from __future__ import annotations

import cv2
import numpy as np

from masksynth.arrays import UV_SIZE, Image, PositionMap, Texture
from masksynth.errors import ShapeError


def extract_texture(image: Image, position_map: PositionMap, *, size: int = UV_SIZE) -> Texture:
    """Unwrap a photo onto the UV square.

    Texel (row, col) takes the bilinear colour at ``position_map.positions[row, col]``; outside the photo it is 0.
    Pixel centres sit at whole coordinates: x = column, y = row. What is hidden from the camera takes the colour of what
    hides it.

    Parameters
    ----------
    image : (H, W, C) float32
        Photo in [0, 1]; C is 3 (RGB) or 1 (NIR).
    position_map : PositionMap
        In pixels of `image`.
    size : int
        Side of the texture; 256 is the map's own, others are read off the map bilinearly (a centre u of the 256 layout
        is 2u + 1/2 in a 512 one).

    Returns
    -------
    texture : (size, size, C) float32, in [0, 1]

    Raises
    ------
    ShapeError
        If the image is not of the form above or `size` is below 1.

    References
    ----------
    Feng et al., "Joint 3D Face Reconstruction and Dense Alignment with Position Map Regression Network", ECCV 2018,
    section 3.1.
    """
    if image.ndim != 3 or image.shape[2] not in (1, 3) or image.dtype != np.float32:
        raise ShapeError(f"an image is (H, W, 1) or (H, W, 3) float32, got {image.shape} {image.dtype}")
    if size < 1:
        raise ShapeError(f"a texture's side is at least 1, got {size}")
    places = position_map.positions[..., :2]
    if size != UV_SIZE:
        places = np.asarray(cv2.resize(places, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)
    # cv2.remap takes pictures below 32,768 px a side: cut out what is looked at.
    height, width = image.shape[:2]
    x, y = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])  # least and most are slow if not
    left, right = np.clip([np.floor(x.min()) - 1, np.ceil(x.max()) + 2], 0, width).astype(int)
    top, bottom = np.clip([np.floor(y.min()) - 1, np.ceil(y.max()) + 2], 0, height).astype(int)
    if right <= left or bottom <= top:
        return np.zeros((size, size, image.shape[2]), np.float32)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    x -= np.float32(left)
    y -= np.float32(top)
    texture = cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0.0, 0.0, 0.0, 0.0))
    return np.asarray(texture, np.float32).reshape(size, size, image.shape[2])
