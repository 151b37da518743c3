"""How a mask is put on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from masksynth.errors import ConfigError

RENDERS = ("mask", "full")


@dataclass(frozen=True, kw_only=True)
class ComposeConfig:
    """Settings of `compose`; the defaults are those of the command line."""

    render: Literal["mask", "full"] = "mask"  # only the mask is drawn, or the whole face from T_MI as in the paper
    light: bool = True  # the mask takes the host's light; without, its own colours are pasted
    shadow: float = 0.35  # how much light the mask takes from the skin along its edge, in [0, 1]; 0 is none
    blur: bool = True  # the mask is as sharp as the host
    grain: bool = True  # the mask takes the host's noise and, in a photo from a JPEG file, its compression
    relief: bool = True  # the mask stands off the skin where the template knows its height
    seed: int = 0  # of the grain

    def __post_init__(self) -> None:
        if self.render not in RENDERS:
            raise ConfigError(f"render must be one of {', '.join(RENDERS)}, got {self.render!r}")
        if not 0 <= self.shadow <= 1:
            raise ConfigError(f"shadow must be in [0, 1], got {self.shadow}")
        if self.seed < 0:
            raise ConfigError(f"seed must be 0 or more, got {self.seed}")
