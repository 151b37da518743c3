"""T_MI = T_M + T̂_I: removal, addition, spectrum, light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from masksynth.compose.config import ComposeConfig

if TYPE_CHECKING:
    from masksynth.compose.composer import Composer, Composite, compose

__all__ = ["ComposeConfig", "Composer", "Composite", "compose"]


def __getattr__(name: str) -> Any:
    """The rest loads numba and OpenCV, which the settings alone must not."""
    if name in __all__:
        from masksynth.compose import composer

        return getattr(composer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
