"""The mask template T_M: file format, library, generator."""

from masksynth.template.format import Template, read_template, save_template
from masksynth.template.library import LibraryEntry, add_template, library, load_template, resolve_templates

__all__ = [
    "LibraryEntry",
    "Template",
    "add_template",
    "library",
    "load_template",
    "read_template",
    "resolve_templates",
    "save_template",
]
