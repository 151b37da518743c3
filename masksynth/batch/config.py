"""What a run over a data set may be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from masksynth.errors import ConfigError

PART_SIZE = 512  # most photos of a part: seconds of one core, and what a killed worker loses
LEAST_PART, PARTS_OF_SMALL = 32, 64  # of small data sets: fewer photos a part, so that there are parts for every worker
MASK_SPECTRA = ("nir", "vis", "both")
CROPS = ("scaled", "margin")
COMPRESSIONS = ("none", "masks", "lzf", "gzip")
GIVEN = ("fallback", "always", "never")
SIDES = (32, 1024)  # least and largest crop
PHOTO_LIMIT_S = 600.0  # at one photo; a worker that does not come back for so long counts as dead


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """Everything that decides what is in the file, besides the photos and the templates themselves."""

    side: int = 144  # of a crop, pixels; the paper's
    crop: Literal["scaled", "margin"] = "scaled"  # how the 112 px alignment template becomes `side`; see align
    masks_per_image: int = 1  # rows of a training photo, each with another template
    share_templates: bool = False  # whether training and probe rows may wear the same templates
    mask_spectrum: Literal["nir", "vis", "both"] = "nir"  # which photos are masked
    keep_clean: bool = True  # whether the unmasked crop is kept beside the masked one
    detector: str = "blazeface"
    given: Literal["fallback", "always", "never"] = "fallback"  # when the data set's own eyes, points or boxes serve
    reconstructor: str = "facemesh"
    device: str = "cpu"  # kind of device that PRNet runs on; another kind differs in the last bits
    seed: int = 0
    compression: Literal["none", "lzf", "gzip", "masks"] = "masks"
    part_size: int | None = None  # photos of a part; by their number where not given
    compose: Mapping[str, Any] = field(default_factory=dict)  # fields of compose.ComposeConfig other than its defaults

    def __post_init__(self) -> None:
        if not SIDES[0] <= self.side <= SIDES[1]:
            raise ConfigError(f"size must be {SIDES[0]} to {SIDES[1]} px, got {self.side}")
        if self.masks_per_image < 1:
            raise ConfigError(f"masks_per_image must be 1 or more, got {self.masks_per_image}")
        if self.mask_spectrum not in MASK_SPECTRA:
            raise ConfigError(f"mask_spectrum must be one of {', '.join(MASK_SPECTRA)}, got '{self.mask_spectrum}'")
        if self.crop not in CROPS:
            raise ConfigError(f"crop must be one of {', '.join(CROPS)}, got '{self.crop}'")
        if self.given not in GIVEN:
            raise ConfigError(f"given must be one of {', '.join(GIVEN)}, got '{self.given}'")
        if self.compression not in COMPRESSIONS:
            raise ConfigError(f"compression must be one of {', '.join(COMPRESSIONS)}, got '{self.compression}'")
        if self.seed < 0:
            raise ConfigError(f"seed must be 0 or more, got {self.seed}")
        if self.part_size is not None and self.part_size < 1:
            raise ConfigError(f"part_size must be 1 or more, got {self.part_size}")

    def masks(self, spectrum: str) -> bool:
        """Whether photos of this spectrum are masked."""
        return self.mask_spectrum in (spectrum, "both")
