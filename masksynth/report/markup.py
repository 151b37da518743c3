"""HTML as nested calls, in which text is always escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias


class Markup(str):
    """Text that is HTML already; every other string is escaped where it is put into an element."""

    __slots__ = ()


Content: TypeAlias = "str | Markup | float | Iterable[Content] | None"

_VOID = ("br", "hr", "img", "meta")


def element(tag: str, *content: Content, **attributes: str | float | None) -> Markup:
    """``<tag attributes>content</tag>``.

    An attribute whose name is a Python word ends in ``_``; other underscores stand for hyphens; None leaves it out.
    """
    words = [tag]
    for name, value in attributes.items():
        if value is not None:
            words.append(f'{name.rstrip("_").replace("_", "-")}="{html.escape(_text(value), quote=True)}"')
    head = f"<{' '.join(words)}>"
    return Markup(head if tag in _VOID else f"{head}{joined(content)}</{tag}>")


def joined(content: Content) -> Markup:
    """All of `content` in one piece; None is nothing."""
    if content is None:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if isinstance(content, (str, int, float)):
        return Markup(html.escape(_text(content), quote=False))
    return Markup("".join(joined(part) for part in content))


def table(head: Iterable[Content], rows: Iterable[Iterable[Content]], *, numbers_from: int = 1) -> Markup:
    """A table that scrolls sideways where it must; columns from `numbers_from` on are set flush right."""

    def cells(tag: str, row: Iterable[Content]) -> Markup:
        return joined(
            element(tag, cell, class_="number" if k >= numbers_from else None, scope="col" if tag == "th" else None)
            for k, cell in enumerate(row)
        )

    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", cells("th", head))),
            element("tbody", (element("tr", cells("td", row)) for row in rows)),
        ),
        class_="table",
    )


def facts(pairs: Iterable[tuple[str, Content]]) -> Markup:
    """A list of names and values."""
    return element("dl", ((element("dt", name), element("dd", value)) for name, value in pairs), class_="facts")


def tiles(pairs: Iterable[tuple[str, Content]]) -> Markup:
    """A row of large figures with their names below."""
    return element(
        "div",
        (element("div", element("strong", value), element("span", name)) for name, value in pairs),
        class_="tiles",
    )


def count(number: int) -> str:
    """12345 as 12,345."""
    return f"{number:,}"


def file_size(path: Path) -> str:
    """Size of a file as people say it, 1000 bytes a kB."""
    size = float(path.stat().st_size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _text(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
