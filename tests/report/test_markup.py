"""Whatever a file says, a page shows it as text."""

from __future__ import annotations

from html.parser import HTMLParser

from masksynth.report.markup import Markup, element, facts, joined, table, tiles
from masksynth.report.page import Section, render_page

NASTY = "<script>alert('x')</script>\" onload=\"y & z"


class Reader(HTMLParser):
    """Tags, attributes and text of a page; complains about tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "img", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_text_and_attributes_are_escaped():
    reader = read(element("p", NASTY, title=NASTY))
    assert reader.tags == ["p"]
    assert reader.attributes == [("p", "title", NASTY)]
    assert "".join(reader.text) == NASTY


def test_markup_is_not_escaped_twice():
    assert element("p", element("b", "a < b")) == "<p><b>a &lt; b</b></p>"


def test_a_missing_attribute_is_left_out_and_python_words_are_mended():
    assert element("th", "x", class_=None, aria_label="y", for_="z") == '<th aria-label="y" for="z">x</th>'


def test_nothing_numbers_and_lists_are_content():
    assert joined([None, 1, [2.5, Markup("<br>")], "é"]) == "12.5<br>é"


def test_every_building_block_escapes():
    section = Section(NASTY, [table([NASTY], [[NASTY]]), facts([(NASTY, NASTY)]), tiles([(NASTY, NASTY)])], NASTY)
    reader = read(render_page(NASTY, NASTY, [section], footer=NASTY))
    assert "script" not in reader.tags
    assert not any(name.startswith("on") for _, name, _ in reader.attributes)
    # title, heading, lead, link, section's heading and lead, th, td, dt, dd, a tile's two, footer
    assert "".join(reader.text).count(NASTY) == 13
