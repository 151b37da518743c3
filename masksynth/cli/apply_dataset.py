"""masksynth apply --dataset NAME: the data-set half of the command, to which `cli.apply` hands over."""

from __future__ import annotations

import shlex
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from masksynth.batch.config import COMPRESSIONS, CROPS, GIVEN, MASK_SPECTRA, PHOTO_LIMIT_S, BatchConfig
from masksynth.cli.datasets import scan_options, scan_settings
from masksynth.cli.options import (
    PATH,
    cache_option,
    detector_option,
    force_option,
    reconstructor_option,
    seed_option,
    tell_of_compiling,
    vary_option,
)
from masksynth.compose.config import RENDERS, ComposeConfig
from masksynth.errors import ConfigError, OutputError, counted

if TYPE_CHECKING:
    from masksynth.batch import Plan, Summary

DEFAULTS = BatchConfig()
PICTURE = ComposeConfig()
MAX_SKIPPED = 5.0  # per cent


F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--dataset", metavar="NAME", help="Mask a whole data set: casia, or another that is known."),
    click.option("--root", type=PATH, help="Where the data set is; else $MASKSYNTH_DATA_NAME or the configuration."),
    click.option(
        "--templates", metavar="A,B,...", help="Names, files or folders, with commas between; else the whole library."
    ),
    vary_option,
    click.option(
        "--masks-per-image", type=int, default=DEFAULTS.masks_per_image, show_default=True,
        help="Rows of each training photo, with another mask each while there are enough.",
    ),
    click.option("--share-templates", is_flag=True, help="Let training and probe rows wear the same templates."),
    click.option(
        "--mask-spectrum", type=click.Choice(MASK_SPECTRA), default=DEFAULTS.mask_spectrum, show_default=True,
        help="Which photos of the data set are masked.",
    ),
    click.option("--size", "side", type=int, default=DEFAULTS.side, show_default=True, help="Side of a crop, pixels."),
    click.option(
        "--crop", type=click.Choice(CROPS), default=DEFAULTS.crop, show_default=True,
        help="Scale the alignment's 112 px places to the size, or keep them with a margin around.",
    ),
    click.option(
        "--keep-clean/--no-keep-clean", default=DEFAULTS.keep_clean, show_default=True,
        help="Keep the unmasked crop beside the masked one.",
    ),
    click.option(
        "--compression", type=click.Choice(COMPRESSIONS), default=DEFAULTS.compression, show_default=True,
        help="What is packed in the file; masks packs alpha and touched alone.",
    ),
    detector_option,
    click.option(
        "--given", type=click.Choice(GIVEN), default=DEFAULTS.given, show_default=True,
        help="When eyes, points or boxes that the data set ships say where the face is: where the detector finds none "
        "there, in its place, or never.",
    ),
    reconstructor_option,
    click.option(
        "--device", default="auto", show_default=True, help="Where PRNet runs: cpu, cuda (all), cuda:0,cuda:1."
    ),
    cache_option,
    click.option(
        "--part-size", type=int, show_default="by their number, 32 to 512",
        help="Photos of a part: what is done again, at most, where a worker is killed.",
    ),
    click.option("--export", type=PATH, metavar="DIR", help="Also write every crop as a PNG file below DIR."),
    click.option("--dry-run", is_flag=True, help="Say what would be made, how large and in what time; write nothing."),
    click.option("--part", metavar="K/N", help="Do the share of task K of a job array of N, K = 1..N; join nothing."),
    click.option("--assemble", is_flag=True, help="Only join the parts that the tasks of a job array made."),
    click.option(
        "--scheduler", metavar="ADDRESS", help="Let a Dask cluster do the parts: tcp://..., or its scheduler file."
    ),
    click.option("--workers", type=click.IntRange(min=1), help="Processes; else one a core that may be used."),
    click.option(
        "--photo-limit", type=click.FloatRange(min=1), default=PHOTO_LIMIT_S, show_default=True, metavar="SECONDS",
        help="A worker that does not come back from a photo for so long, and two minutes more for its first one, is "
        "ended, as if it had died there.",
    ),
    click.option(
        "--max-skipped", type=click.FloatRange(0, 100), default=MAX_SKIPPED, show_default=True,
        help="Per cent of a data set's photos that may be skipped before the run counts as failed.",
    ),
    click.option("--strict", is_flag=True, help="Exit with 3 where any photo was skipped."),
)  # fmt: skip


def dataset_options(function: F) -> F:
    """Add the options of the data-set path to a click command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def apply_dataset(
    *,
    dataset: str,
    out: Path | None,
    root: Path | None,
    templates: str | None,
    workers: int | None,
    max_skipped: float,
    strict: bool,
    force: bool,
    vary: int | None = None,
    export: Path | None = None,
    dry_run: bool = False,
    part: str | None = None,
    assemble: bool = False,
    scheduler: str | None = None,
    cache: Path | None = None,
    device: str = "auto",
    photo_limit: float = PHOTO_LIMIT_S,
    **settings: Any,
) -> int:
    """Mask the data set `dataset` into the file `out`; the exit code.

    `templates` holds names, files and folders with commas between, `vary` is how many masks are generated; `settings`
    are the values of `scan_options` and fields of BatchConfig, among them `compose`, the fields of ComposeConfig that
    differ from its defaults.
    """
    from masksynth.batch import make_plan
    from masksynth.batch.folder import parts_folder
    from masksynth.datasets import open_dataset
    from masksynth.template.variety import chosen_templates

    if out is None:
        raise ConfigError("Where is the masked data set to go? Say --out FILE, for example --out masked.h5.")
    if sum([dry_run, part is not None, assemble, scheduler is not None]) > 1:
        raise ConfigError("Of --dry-run, --part, --assemble and --scheduler, only one can be used at a time.")
    if part is not None and force:
        raise ConfigError(f"--force would throw away what other tasks made. Remove {out} and {out}.parts by hand.")
    if export is not None and (part is not None or dry_run):
        raise ConfigError("--export writes what is in the joined file: give it with --assemble, or with the whole run.")
    if export is not None and export.exists() and not force and (not export.is_dir() or any(export.iterdir())):
        raise ConfigError(f"{export}: is there already. Give another name, or --force to write into it.")
    share = None if part is None else _share(part)
    reading = scan_settings(settings)
    devices = _devices(device, settings["reconstructor"])
    config = BatchConfig(**settings, device=devices[0].split(":")[0])
    named = [name for name in (templates or "").split(",") if name]
    faces = open_dataset(dataset, root, reading)
    for note in faces.notes:
        click.echo(f"note: {note}", err=True)
    plan = make_plan(faces, chosen_templates(named, vary, config.seed), config)
    if not assemble:
        _find_networks(config, fetch=share is None)
        tell_of_compiling()
    if dry_run:
        _echo_preview(plan, out, workers)
        return 0
    signal.signal(signal.SIGTERM, _interrupt)  # a batch system's notice
    try:
        code = _run(
            plan, out, share, assemble, scheduler, max_skipped, strict, force,
            workers=workers, cache=cache, devices=devices, photo_limit=photo_limit,
        )  # fmt: skip
        if export is not None:
            _export(out, export, force)
        return code
    except OutputError as error:
        parts = parts_folder(out)
        if parts.exists():
            raise OutputError(f"{error} What is done is kept; use the same command to go on.") from error
        if str(parts) in str(error):
            raise OutputError(
                f"{error} {parts} was there when the run began and is gone; when it is back, use the same command to "
                "go on."
            ) from error
        raise
    except KeyboardInterrupt:
        click.echo(f"masksynth: {out}: interrupted; what is done is kept. Use the same command to go on.", err=True)
        return 130


def _run(
    plan: Plan,
    out: Path,
    share: tuple[int, int] | None,
    assemble: bool,
    scheduler: str | None,
    max_skipped: float,
    strict: bool,
    force: bool,
    **machine: Any,
) -> int:
    from masksynth.batch import assemble_plan, run_plan, run_share
    from masksynth.cli.progress import Progress

    typed = shlex.join(["masksynth", *sys.argv[1:]])
    with Progress() as progress:
        if share is not None:
            done = run_share(plan, out, share=share, progress=progress, **machine)
            click.echo(
                f"{out}: task {share[0]} of {share[1]}: its {done.mine:,} of {counted(done.parts, 'part')} done, "
                f"{done.done_here:,} now ({counted(done.photos, 'photo')} in {done.seconds:.1f} s). "
                "When all tasks are done, --assemble joins them."
            )
            return 0
        allowed = max_skipped / 100
        if assemble:
            summary = assemble_plan(plan, out, force=force, max_skipped=allowed, command=typed, progress=progress)
        else:
            runner = None
            if scheduler is not None:
                from masksynth.batch.dask_runner import DaskRunner

                runner = DaskRunner(scheduler)
            summary = run_plan(
                plan,
                out,
                runner=runner,
                force=force,
                max_skipped=allowed,
                command=typed,
                progress=progress,
                **machine,
            )
    for line in summary_lines(plan, summary):
        click.echo(line)
    if summary.content is None:
        return 3 if strict and _lost(out) else 0
    if not summary.content.complete:
        click.echo(
            f"masksynth: {out}: {_skipped_here(summary):,} of {counted(summary.photos, 'photo')} skipped, more than "
            f"--max-skipped {max_skipped:g} %. The file is kept and marked incomplete.",
            err=True,
        )
        return 1
    return 3 if strict and summary.content.skipped else 0


@click.command("apply")
@dataset_options
@scan_options
@click.option("--out", "-o", type=PATH, help="The HDF5 file to write.")
@click.option("-t", "--template", multiple=True, metavar="TEMPLATE", help="One of --templates; may be given again.")
@click.option(
    "--render",
    type=click.Choice(RENDERS),
    default=PICTURE.render,
    show_default=True,
    help="Draw the mask alone, or the whole face anew as the paper does.",
)
@click.option("--light/--no-light", default=PICTURE.light, show_default=True, help="Take the light of the photo.")
@click.option(
    "--shadow",
    type=click.FloatRange(0, 1),
    default=PICTURE.shadow,
    show_default=True,
    help="Light that the mask takes from the skin along its edge.",
)
@click.option("--no-shadow", is_flag=True, help="The same as --shadow 0: nothing outside the mask changes.")
@click.option("--blur/--no-blur", default=PICTURE.blur, show_default=True, help="Take the sharpness of the photo.")
@click.option("--grain/--no-grain", default=PICTURE.grain, show_default=True, help="Take the noise of the photo.")
@click.option(
    "--relief/--no-relief", default=PICTURE.relief, show_default=True, help="Let the mask stand off the skin."
)
@seed_option
@force_option
def command(template: tuple[str, ...], templates: str | None, no_shadow: bool, **settings: Any) -> None:
    """Put masks on a whole data set.

    Every NIR photo is aligned and masked, every VIS photo aligned, all into one HDF5 file. A run that was interrupted
    goes on by the same command.

    \b
    Example: masksynth apply --dataset casia --root /data/NIR-VIS-2.0 --out masked.h5
    """
    picture = {field.name: settings.pop(field.name) for field in fields(PICTURE) if field.name in settings}
    if no_shadow:
        picture["shadow"] = 0.0
    settings["seed"] = picture.pop("seed")  # of the run; each row has a grain of its own
    changed = {name: value for name, value in picture.items() if value != getattr(PICTURE, name)}
    named = ",".join([*template, *([templates] if templates else [])]) or None
    raise SystemExit(apply_dataset(templates=named, compose=changed, **settings))


def summary_lines(plan: Plan, summary: Summary) -> list[str]:
    """What a person wants to know at the end."""
    if summary.content is None:
        but = f", but for {counted(count, 'photo')} without a row" if (count := _lost(summary.out)) else ""
        there = f"{summary.out}: is there already, whole and of this plan{but}. Nothing to do."
        return [there, f"next: {summary.next_line}"]
    content = summary.content
    size = summary.out.stat().st_size / 1e6
    lines = [
        f"{summary.out}: {counted(content.rows['nir'], 'NIR row')} ({content.masked['nir']:,} masked) and "
        f"{counted(content.rows['vis'], 'VIS row')} ({content.masked['vis']:,} masked) of "
        f"{counted(len(plan.subjects), 'person')}, "
        f"{size:,.{0 if size >= 10 else 1}f} MB"
    ]
    if content.skipped:
        photos = counted(len(content.skipped), "photo")
        lines.append(f"without a row: {photos}, each with its reason in /skipped ({_counted(summary.reasons())})")
        for name, parts in sorted(content.missing.items()):
            lost = [f"{part} {reasons.total():,} ({_counted(reasons)})" for part, reasons in parts.items() if reasons]
            if lost:
                lines.append(f"  missing in {name}: {'; '.join(lost)}")
    rate = summary.done_here / max(summary.seconds, 1e-9)
    if summary.done_here:
        done = counted(summary.done_here, "photo")
        lines.append(f"{done} in {summary.seconds:.1f} s, {rate:.{0 if rate >= 10 else 1}f} photos/s")
    return [*lines, f"next: {summary.next_line}"] if content.complete else lines


def _lost(out: Path) -> int:
    """Photos without a row in a file that is there."""
    from masksynth.store import open_store

    with open_store(out) as store:
        return len(store.skipped)


def _counted(reasons: Counter[str], most: int = 5) -> str:
    """The commonest reasons with their numbers of photos."""
    shown = [f"{reason}: {count:,}" for reason, count in reasons.most_common(most)]
    rest = reasons.total() - sum(count for _, count in reasons.most_common(most))
    return "; ".join([*shown, *([f"others: {rest:,}"] if rest else [])])


def _skipped_here(summary: Summary) -> int:
    assert summary.content is not None
    return len(summary.content.skipped) - summary.content.absent


def _export(out: Path, folder: Path, force: bool) -> None:
    from masksynth.cli.progress import Progress
    from masksynth.store import open_store
    from masksynth.store.export import export_pngs

    with open_store(out) as store:
        total = store.count("nir") + store.count("vis")
    with Progress() as progress:
        progress.begin("files", total)
        count = export_pngs(out, folder, force=force, progress=progress.advance)
    click.echo(f"{folder}: {counted(count, 'PNG file')}, and rows.csv about them")


def _echo_preview(plan: Plan, out: Path, workers: int | None) -> None:
    from masksynth.batch.folder import parts_folder
    from masksynth.batch.photo import PhotoWalk
    from masksynth.batch.preview import preview, seconds_a_photo
    from masksynth.batch.run import available_cores

    seen = preview(plan)
    click.echo(
        f"{out}: {counted(len(plan.photos), 'photo')} of {counted(len(plan.subjects), 'person')} in "
        f"{counted(plan.parts, 'part')}"
    )
    for spectrum, count in seen.rows.items():
        click.echo(f"  {spectrum.upper()}: {counted(count, 'row')}, {seen.masked[spectrum]:,} masked")
    for use, names in seen.templates.items():
        least, most = seen.worn[use]
        worn = counted(most, "row") if least == most else f"{least:,} to {counted(most, 'row')}"
        click.echo(f"  templates for {use} rows, {worn} each: {', '.join(names)}")
    for name, parts in seen.protocols.items():
        absent = sum(lost for _, lost in parts.values())
        lost = f", {absent:,} of them without a file" if absent else ""
        click.echo(f"  {name}: " + ", ".join(f"{part} {count:,}" for part, (count, _) in parts.items()) + lost)
    if plan.absent:
        click.echo(f"  listed and without a file: {counted(len(plan.absent), 'photo')}")
    each, skipped = seconds_a_photo(plan, PhotoWalk.of_plan(plan))
    workers = min(workers or available_cores(), plan.parts)
    size = seen.pixel_bytes / 1e6
    click.echo(
        f"  about {size:,.{0 if size >= 10 else 1}f} MB of pixels"
        f", as much again for the parts in {parts_folder(out)} until they are joined"
    )
    seconds = each * len(plan.photos) / workers
    how_long = counted(max(round(seconds), 1), "second") if seconds < 120 else counted(round(seconds / 60), "minute")
    tried = f"tried on some, of which {skipped:,} would be skipped" if skipped else "tried on some"
    click.echo(f"  about {how_long} with {counted(workers, 'worker')} ({1000 * each:.1f} ms a photo, {tried})")


def _share(text: str) -> tuple[int, int]:
    number, slash, of = text.partition("/")
    if not slash or not number.isdigit() or not of.isdigit() or not 1 <= int(number) <= int(of):
        raise ConfigError(f"--part wants K/N with 1 <= K <= N, for example --part 3/40, got '{text}'.")
    return int(number), int(of)


def _devices(wanted: str, reconstructor: str) -> tuple[str, ...]:
    """Where the reconstructor runs; PyTorch is loaded only where it does."""
    if reconstructor != "prnet":
        if wanted not in ("auto", "cpu"):
            raise ConfigError(f"--device {wanted}: {reconstructor} runs on the processor. Only prnet runs elsewhere.")
        return ("cpu",)
    from masksynth.reconstruct.prnet_torch import devices_of

    return devices_of(wanted)


def _find_networks(config: BatchConfig, fetch: bool) -> None:
    """Here, once, so that no worker has to; a task of a job array fetches nothing."""
    from masksynth.detect import DETECTORS
    from masksynth.reconstruct import RECONSTRUCTORS
    from masksynth.weights import NETWORKS, locate

    for name, known, what in (
        (config.detector, DETECTORS, "detector"),
        (config.reconstructor, RECONSTRUCTORS, "reconstructor"),
    ):
        if name not in known:
            raise ConfigError(f"{name}: no such {what}. Known are {', '.join(known)}.")
    for network in NETWORKS:
        if network.name in (config.detector, config.reconstructor):
            locate(network.name, fetch=fetch)


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt
