"""The template library: the packaged ones and the user's own, by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from masksynth.errors import TemplateError
from masksynth.resources import packaged_templates, user_templates
from masksynth.template.format import Template, check_name, is_beside, read_template, save_template


@dataclass(frozen=True)
class LibraryEntry:
    """One template of the library."""

    name: str
    path: Path
    packaged: bool  # False: the user's own


def library() -> list[LibraryEntry]:
    """Every template there is, by name; one of the user's own hides a packaged one of the same name."""
    entries = {path.stem: LibraryEntry(path.stem, path, True) for path in template_files(packaged_templates())}
    entries |= {path.stem: LibraryEntry(path.stem, path, False) for path in template_files(user_templates())}
    return [entries[name] for name in sorted(entries)]


def template_files(folder: Path) -> list[Path]:
    """The ``NAME.png`` of a folder, sorted, without what lies beside one, such as ``NAME.nir.png``."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.lower().endswith(".png") and not path.name.startswith(".") and not is_beside(path.name)
    )


def locate_template(reference: str | Path) -> Path:
    """The file of a template: `reference` is a name of the library, or a path.

    A string without a separator and without the suffix .png is a name first.

    Raises
    ------
    TemplateError
        If there is neither; the sentence names what comes close.
    """
    if not str(reference):
        raise TemplateError("'': no template has an empty name. See masksynth templates list.")
    path = Path(reference)
    if isinstance(reference, str) and path.name == reference and path.suffix.lower() != ".png":
        names = {entry.name: entry.path for entry in library()}
        if reference in names:
            return names[reference]
        if not path.exists():
            near = difflib.get_close_matches(reference, names, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise TemplateError(f"'{reference}': no template has this name.{hint} See masksynth templates list.")
    return path


def load_template(reference: str | Path) -> Template:
    """The template of a library name or a file. Raises TemplateError as `locate_template` and `read_template` do."""
    return read_template(locate_template(reference))


def resolve_templates(references: Iterable[str | Path]) -> list[Template]:
    """The templates of names, files and folders, in that order, each file once.

    Raises
    ------
    TemplateError
        If one cannot be read, a folder holds none, or two of them share a name.
    """
    paths: dict[Path, None] = {}
    for reference in references:
        path = locate_template(reference)
        if path.is_dir():
            found = template_files(path)
            if not found:
                raise TemplateError(f"{path}: holds no template (NAME.png in the UV layout).")
            paths |= dict.fromkeys(found)
        else:
            paths[path] = None
    templates = [read_template(path) for path in dict.fromkeys(path.resolve() for path in paths)]
    seen: dict[str, Path] = {}
    for template, path in zip(templates, dict.fromkeys(path.resolve() for path in paths), strict=True):
        if template.name in seen:
            raise TemplateError(f"{path}: has the same name as {seen[template.name]}. Rename one of them.")
        seen[template.name] = path
    return templates


def add_template(template: Template, *, replace: bool = False) -> Path:
    """Put `template` into the user's own library; its path there.

    Adding the same pixels again is no replacement.

    Raises
    ------
    TemplateError
        If another template of that name is there, packaged or the user's own, and `replace` is not set.
    OutputError
        If it cannot be written.
    """
    check_name(template.name)
    folder = user_templates()
    path = folder / f"{template.name}.png"
    if not replace:
        for entry in library():
            if entry.name == template.name and (entry.packaged or not _same(entry.path, template)):
                whose = "packaged" if entry.packaged else "in your library"
                raise TemplateError(
                    f"a template named '{template.name}' is {whose} already ({entry.path}). Give another name, or "
                    "--force to replace it."
                )
    _make_folder(folder)
    save_template(path, template)
    return path


def _same(path: Path, template: Template) -> bool:
    try:
        return read_template(path).sha256 == template.sha256
    except TemplateError:
        return False


def _make_folder(folder: Path) -> None:
    from masksynth.errors import OutputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: could not be made ({error.strerror or error}).") from error
