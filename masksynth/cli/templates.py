"""masksynth templates"""

from __future__ import annotations

from pathlib import Path

import click

from masksynth.cli.options import PATH, force_option, refuse_existing


@click.group()
def command() -> None:
    """List, show, add and check mask templates."""


@command.command("list")
def list_templates() -> None:
    """List every template: name, kind, side, spectra, where it is.

    Example: masksynth templates list
    """
    from masksynth.errors import TemplateError
    from masksynth.template import library, read_template

    entries = library()
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        try:
            template = read_template(entry.path)
        except TemplateError as error:
            click.echo(f"warning: {error}", err=True)
            continue
        parts = ["nir"] * (template.nir is not None) + ["height"] * (template.height is not None)
        where = "packaged" if entry.packaged else str(entry.path)
        click.echo(
            f"{entry.name:<{width}}  {template.kind:<10}  {template.size}  {'+'.join(parts) or '-':<10}  {where}"
        )


@command.command()
@click.argument("name", metavar="NAME")
@click.option("-o", "--out", type=PATH, required=True, help="Picture to write.")
@force_option
def show(name: str, out: Path, force: bool) -> None:
    """Draw the template NAME (or a file): its texture, and the generic face wearing it at three yaws.

    Example: masksynth templates show surgical-blue -o surgical-blue.jpg
    """
    from masksynth.photos import write_photo
    from masksynth.report.preview import showcase
    from masksynth.template import load_template

    refuse_existing(out, force)
    template = load_template(name)
    write_photo(out, showcase(template))
    click.echo(f"{out}: {template.name}, {template.kind}, {template.size} x {template.size}")


@command.command()
@click.argument("file", type=PATH, metavar="FILE")
@click.option("--name", help="Name in the library; the stem of FILE where not given.")
@force_option
def add(file: Path, name: str | None, force: bool) -> None:
    """Put the template FILE into your library.

    FILE is an RGBA picture in the UV layout; FILE.nir.png and FILE.height.png of the same stem come along.

    Example: masksynth templates add my_mask.png
    """
    from masksynth.template import add_template, read_template
    from masksynth.template.format import check_name

    template = read_template(file, name=None if name is None else check_name(name))
    path = add_template(template, replace=force)
    click.echo(f"{path}: {template.kind}, {template.size} x {template.size}; use it with -t {template.name}")


@command.command()
@click.argument("templates", nargs=-1, required=True, metavar="FILE...")
def check(templates: tuple[str, ...]) -> None:
    """Check that each FILE (or name in the library) is a template in the UV layout.

    Every one is looked at; the exit code is 1 where one is not.

    Example: masksynth templates check my_mask.png
    """
    from masksynth.errors import TemplateError
    from masksynth.template import load_template

    failed = []
    for name in templates:
        try:
            template = load_template(name)
        except TemplateError as error:
            failed.append(error)
            if len(templates) > 1:
                click.echo(f"warning: {error}", err=True)
            continue
        covered = 100 * float((template.alpha > 0.5).mean())
        known = ["colour"] + ["NIR"] * (template.nir is not None) + ["height"] * (template.height is not None)
        side = f"{template.size} x {template.size}"
        click.echo(f"{name}: a template, {side}, {template.kind}, covers {covered:.0f} % ({', '.join(known)})")
    if len(templates) > 1 and failed:
        verdict = "is no template" if len(failed) == 1 else "are no templates"
        raise TemplateError(f"{len(failed)} of {len(templates)} files {verdict} in the UV layout.")
    if failed:
        raise failed[0]
