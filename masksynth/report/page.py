"""One self-contained page: no script, nothing fetched, everything inside the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from masksynth import __version__
from masksynth.files import write_bytes
from masksynth.report.markup import Content, Markup, element, joined
from masksynth.resources import asset

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # the browser itself refuses anything else


@dataclass(frozen=True)
class Section:
    """One part of a page, with its place in the list of contents."""

    title: str
    body: Content
    lead: Content = None  # one or two sentences below the title


def render_page(title: str, lead: Content, sections: Sequence[Section], *, footer: str = "") -> str:
    """The page as HTML text."""
    links = [element("a", section.title, href=f"#part-{k}") for k, section in enumerate(sections, 1)]
    parts = [
        element(
            "section",
            element("h2", section.title),
            element("p", section.lead, class_="lead") if section.lead else None,
            section.body,
            id=f"part-{k}",
        )
        for k, section in enumerate(sections, 1)
    ]
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="generator", content=f"masksynth {__version__}"),
        element("title", title),
        element("style", Markup(asset("report.css").read_text(encoding="utf-8"))),
    ]
    body = [
        element("header", element("h1", title), element("p", lead, class_="lead"), element("nav", links)),
        element("main", parts),
        element("footer", footer or f"Made by masksynth {__version__}."),
    ]
    return "<!doctype html>\n" + element("html", element("head", head), "\n", element("body", body), lang="en") + "\n"


def write_page(path: Path, title: str, lead: Content, sections: Sequence[Section], *, footer: str = "") -> None:
    """Write the page to `path`, whole or not at all. Raises OutputError where it cannot."""
    write_bytes(path, render_page(title, lead, sections, footer=footer).encode("utf-8"))


def note(content: Content, *, warning: bool = False) -> Markup:
    """A remark that must not be overlooked."""
    return element("p", content, class_="note warning" if warning else "note")


def folded(summary: str, content: Content) -> Markup:
    """Something long that opens on a click."""
    return element("details", element("summary", summary), content)


def side_by_side(*parts: Content) -> Markup:
    """Blocks beside one another where there is room."""
    return element("div", (element("div", joined(part)) for part in parts), class_="columns")


def titled(title: str, content: Content) -> Markup:
    """A block below a small heading."""
    return joined([element("h3", title), content])
