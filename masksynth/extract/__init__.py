"""Photos of a person who wears a mask -> template."""

from masksynth.extract.extraction import ExtractConfig, ExtractedTemplate, extract_template, nir_reflectance
from masksynth.extract.label import read_alpha
from masksynth.extract.texture import View

__all__ = ["ExtractConfig", "ExtractedTemplate", "View", "extract_template", "nir_reflectance", "read_alpha"]
