"""Docs and pictures hang together."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image as PillowImage

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def links(page: Path) -> set[Path]:
    """What a page links to or shows, besides the web and its own headings."""
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return {(page.parent / target).resolve() for target in targets}


def test_every_link_leads_somewhere():
    broken = [f"{page.name} -> {target}" for page in PAGES for target in links(page) if not target.exists()]
    assert broken == []


def test_every_page_and_picture_is_linked():
    linked = set().union(*map(links, PAGES))
    everything = {path.resolve() for path in [*DOCS.glob("*.md"), *DOCS.glob("pictures/*")]}
    assert everything <= linked, sorted(path.name for path in everything - linked)


def test_pictures_are_small_and_whole():
    for path in DOCS.glob("pictures/*.png"):
        assert path.stat().st_size < 400_000, path.name
        with PillowImage.open(path) as image:
            image.load()
            assert image.width <= 1200, path.name


def test_the_docs_name_no_place_that_only_one_machine_has():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"(?:^|[\s`(])/(?:home|root|tmp|Users)/", text, re.MULTILINE), page.name
