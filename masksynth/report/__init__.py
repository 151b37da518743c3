"""Pictures for people: contact sheets, curves, one self-contained HTML page."""

from masksynth.report.build import write_report
from masksynth.report.page import Section, render_page, write_page
from masksynth.report.pictures import Cell, contact_sheet

__all__ = ["Cell", "Section", "contact_sheet", "render_page", "write_page", "write_report"]
