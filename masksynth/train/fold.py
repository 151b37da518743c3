"""The images of one training fold, in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksynth.errors import ShapeError, TrainingError

Images8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Fold:
    """NIR and VIS images of the same C identities."""

    nir: Images8  # (N, S, S) or (N, S, S, 3)
    nir_identity: npt.NDArray[np.int64]  # (N,) 0 .. C-1
    vis: Images8  # (M, S, S, 3)
    vis_identity: npt.NDArray[np.int64]  # (M,)
    subjects: tuple[str, ...]  # name of each identity
    left_out: tuple[str, ...] = ()  # subjects that lack NIR or VIS images

    def __post_init__(self) -> None:
        side = self.nir.shape[1:3]
        if self.nir.dtype != np.uint8 or self.nir.ndim not in (3, 4) or side[0] != side[1]:
            raise ShapeError(f"NIR images are (N, S, S) or (N, S, S, 3) uint8, got {self.nir.shape} {self.nir.dtype}")
        if self.vis.dtype != np.uint8 or self.vis.ndim != 4 or self.vis.shape[1:3] != side:
            raise ShapeError(
                f"VIS images are (M, {side[0]}, {side[0]}, 3) uint8, got {self.vis.shape} {self.vis.dtype}"
            )

    @property
    def side(self) -> int:
        return int(self.nir.shape[1])

    @property
    def identities(self) -> int:
        return len(self.subjects)


def make_fold(
    nir: Images8, nir_subject: npt.ArrayLike, vis: Images8, vis_subject: npt.ArrayLike, names: tuple[str, ...] = ()
) -> Fold:
    """Number the subjects that have both kinds of image 0 .. C-1 and leave out the rest.

    Parameters
    ----------
    nir, vis : (N, S, S[, 3]) and (M, S, S, 3) uint8
    nir_subject, vis_subject : (N,) and (M,)
        Subject of each image, integers or strings.
    names : tuple of str
        Name of each subject number; not needed where subjects are strings.

    Raises
    ------
    TrainingError
        If no subject has both.
    """
    nir_subject, vis_subject = np.asarray(nir_subject), np.asarray(vis_subject)
    both = np.intersect1d(nir_subject, vis_subject)
    one_kind = np.setxor1d(nir_subject, vis_subject)
    if not len(both):
        raise TrainingError("no identity has both NIR and VIS images to train on.")
    keep_nir, keep_vis = np.isin(nir_subject, both), np.isin(vis_subject, both)
    if not keep_nir.all():
        nir, nir_subject = nir[keep_nir], nir_subject[keep_nir]
    if not keep_vis.all():
        vis, vis_subject = vis[keep_vis], vis_subject[keep_vis]

    def name(subject: np.generic) -> str:
        return names[int(subject)] if names else str(subject)

    return Fold(
        nir=nir,
        nir_identity=np.searchsorted(both, nir_subject),
        vis=vis,
        vis_identity=np.searchsorted(both, vis_subject),
        subjects=tuple(name(s) for s in both),
        left_out=tuple(name(s) for s in one_kind),
    )
