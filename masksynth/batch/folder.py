"""The folder of parts beside an output: what is in it, and whose it is."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from masksynth.batch.locks import at_work, holder_of
from masksynth.batch.part import PartForm, part_path
from masksynth.batch.plan import Plan
from masksynth.errors import ConfigError, MasksynthError, OutputError, StoreError, counted
from masksynth.files import write_bytes
from masksynth.store import SPECTRA, open_store
from masksynth.template import save_template

PHOTO_FUNCTION = "masksynth.batch.photo:PhotoWalk"


@dataclass(frozen=True)
class Job:
    """A plan, where its file is to be, and all that a worker has to be told."""

    plan: Plan
    out: Path
    folder: Path  # of the parts
    form: PartForm
    setup: dict[str, Any]  # JSON values: function, arguments, form

    def missing(self) -> list[int]:
        """Parts that are not there yet."""
        return [k for k in range(self.plan.parts) if not part_path(self.folder, k).is_file()]

    def photos(self, parts: list[int]) -> int:
        """How many photos some parts have."""
        return sum(len(self.plan.part(k)) for k in parts)


def open_job(
    plan: Plan,
    out: Path,
    *,
    force: bool = False,
    function: str = PHOTO_FUNCTION,
    arguments: dict[str, Any] | None = None,
    cache: Path | None = None,
) -> Job:
    """The job of `plan` at `out`, its folder of parts made or found; `cache` is a folder that keeps reconstructions.

    Raises
    ------
    ConfigError
        If the folder holds parts of another plan and they may not be thrown away.
    OutputError
        If it cannot be written.
    """
    folder = prepare_folder(plan, out, force)
    form = part_form(plan)
    arguments = photo_arguments(plan, folder, cache) if arguments is None else arguments
    return Job(plan, out, folder, form, {"function": function, "arguments": arguments, "form": form.encode()})


def parts_folder(out: Path) -> Path:
    """Where the parts of the file `out` are kept until they are joined."""
    return out.with_name(out.name + ".parts")


def is_done(plan: Plan, out: Path, force: bool) -> bool:
    """Whether `out` already holds all of `plan`.

    Raises
    ------
    ConfigError
        If it holds something else and may not be replaced.
    """
    if not out.exists():
        if not out.parent.is_dir():
            raise OutputError(f"{out}: the folder {out.parent} does not exist. Create it, or give another place.")
        return False
    if out.is_dir():
        raise ConfigError(f"{out}: is a folder, but a file is to be written there. Give a file name.")
    if force:
        return False
    try:
        with open_store(out) as store:
            if store.attrs["plan_sha256"] == plan.sha256:
                return store.complete  # an incomplete one is made again: the photos may have been mended
            made = f"holds another plan ({store.attrs['dataset']}, {counted(sum(map(store.count, SPECTRA)), 'row')})"
    except StoreError:
        made = "is there already and is no masked data set"
    raise ConfigError(f"{out}: {made}. Give another name, or --force to replace it.")


def prepare_folder(plan: Plan, out: Path, force: bool) -> Path:
    """The folder of parts, made or found, with the plan's hash and its templates in it.

    Raises
    ------
    ConfigError
        If it holds parts of another plan and they may not be thrown away.
    BatchError
        If they may, but another run is at work on them.
    """
    folder = parts_folder(out)
    marker = folder / "plan.json"
    try:
        if folder.exists() and _plan_of(marker) not in (None, plan.sha256):
            if not force:
                raise ConfigError(
                    f"{folder}: holds parts of another plan, from a run that was not finished. Finish it with the same "
                    "command as then, remove the folder, or use --force to start anew."
                )
            for lock in folder.glob("*.lock"):
                holder = holder_of(lock)
                if holder is not None:
                    raise at_work(out, holder)
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        if _plan_of(marker) is None:
            (folder / "templates").mkdir(exist_ok=True)
            for index, template in enumerate(plan.templates):
                save_template(_template_path(folder, index), template, compress_level=1)
            values = {"plan_sha256": plan.sha256, "parts": plan.parts, "config": asdict(plan.config)}
            write_bytes(marker, json.dumps(values, indent=1).encode())
    except OSError as error:
        if isinstance(error, MasksynthError):
            raise
        raise OutputError(f"{folder}: could not be written ({error.strerror or error}).") from error
    return folder


def photo_arguments(plan: Plan, folder: Path, cache: Path | None = None) -> dict[str, Any]:
    """What `batch.photo.PhotoWalk` is made from, as JSON values; a worker may have another working folder."""
    return {
        "root": str(plan.root.absolute()),
        "config": asdict(plan.config),
        "templates": [str(_template_path(folder.absolute(), index)) for index in range(len(plan.templates))],
        "names": [mask.template for mask in plan.masks],
        "hashes": [mask.sha256 for mask in plan.masks],
        "cache": None if cache is None else str(cache.absolute()),
        "device": plan.config.device,
    }


def part_form(plan: Plan) -> PartForm:
    """What all parts of `plan` have in common."""
    return PartForm(
        root=str(plan.root.absolute()),
        side=plan.config.side,
        masked=tuple(spectrum for spectrum in SPECTRA if plan.config.masks(spectrum)),
        keep_clean=plan.config.keep_clean,
        plan_sha256=plan.sha256,
    )


def _plan_of(marker: Path) -> str | None:
    """The plan that the parts beside `marker` are of; None where the folder has none yet."""
    try:
        return str(json.loads(marker.read_text())["plan_sha256"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"


def _template_path(folder: Path, index: int) -> Path:
    return folder / "templates" / f"{index:03d}.png"
