"""How well the rim of a template agrees between reconstructors, on generated faces: mean distance in the photo.

The rim is that of each packaged template, on the face and on the stretch. Compared are Face Mesh with the truth as a
perfect PRNet would give it (the true surface on the layout's face, the stretch made from it), and, where its weights
are imported, PRNet with both. In pixels of a face with 100 px between the outer eye corners.

    python benchmarks/rim_agreement.py [--faces 12] [--seed 7]
"""

import argparse
from dataclasses import replace

import cv2
import numpy as np

from masksynth.arrays import Box, Pose, Validity
from masksynth.datasets.generated import draw_view, identity, render_face
from masksynth.detect import load_detector
from masksynth.errors import WeightsError
from masksynth.reconstruct import find_faces, load_reconstructor
from masksynth.reconstruct.prnet import reconstruction_of_positions, validity
from masksynth.seeds import rng_for
from masksynth.template import library, load_template

YAWS = (0, 20, 40, 60)


def rim_of(template):
    """(256, 256) texels on the edge of the template's alpha."""
    alpha = template.rgba[..., 3]
    if alpha.shape[0] != 256:
        alpha = cv2.resize(alpha, (256, 256), interpolation=cv2.INTER_AREA)
    mask = (alpha > 0.5).astype(np.uint8)
    return (cv2.dilate(mask, np.ones((3, 3))) - mask) > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=12, help="for each yaw")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rims = [rim_of(load_template(entry.path)) for entry in library() if entry.packaged]
    rim = np.mean(rims, axis=0)  # how often a texel is on a rim
    on_face, on_stretch = validity() == Validity.MEASURED, validity() == Validity.STRETCHED
    detector = load_detector()
    reconstructors = {"facemesh": load_reconstructor()}
    try:
        reconstructors["prnet"] = load_reconstructor("prnet")
    except WeightsError as error:
        print(error)
    share = rim[on_stretch].sum() / rim[on_face | on_stretch].sum()
    print(f"{len(rims)} templates; {share:.0%} of their rims on the stretch")
    for yaw in YAWS:
        gaps = {}
        for k in range(arguments.faces):
            rng = rng_for(arguments.seed, "rim", yaw, k)
            view = draw_view(rng, "vis", yaw=0.0)
            pose = Pose(yaw=np.radians(yaw if k % 2 else -yaw), pitch=view.pose.pitch, roll=view.pose.roll)
            photo = render_face(identity(arguments.seed, k), replace(view, pose=pose), "vis")
            size = np.linalg.norm(photo.landmarks68[45] - photo.landmarks68[36]) / 100
            truth = photo.position_map.positions
            maps = {"truth": reconstruction_of_positions(truth, Box(0, 0, 1, 1), 1.0).position_map.positions}
            for name, reconstructor in reconstructors.items():
                faces, _ = find_faces(photo.pixels, detector, reconstructor)
                if faces:
                    maps[name] = faces[0].position_map.positions
            names = list(maps)
            for i, one in enumerate(names):
                for other in names[i + 1 :]:
                    gap = np.linalg.norm((maps[one] - maps[other])[..., :2], axis=2) / size
                    parts = [np.average(gap[where], weights=rim[where]) for where in (on_face, on_stretch)]
                    gaps.setdefault((one, other), []).append(parts)
        for (one, other), values in gaps.items():
            face, stretch = np.mean(values, axis=0)
            print(f"yaw {yaw:2d}  {one} - {other}: face {face:.1f} px, stretch {stretch:.1f} px, n = {len(values)}")


if __name__ == "__main__":
    main()
