"""Photo of a masked face -> alpha of the mask."""

from masksynth.segment.segmentation import METHODS, MIN_SCORE, Segmentation, given_segmentation, segment_mask

__all__ = ["METHODS", "MIN_SCORE", "Segmentation", "given_segmentation", "segment_mask"]
