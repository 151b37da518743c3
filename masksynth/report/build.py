"""A page about a file or a run."""

from __future__ import annotations

from pathlib import Path

from masksynth.datasets import resolve_root
from masksynth.errors import ConfigError, MasksynthError
from masksynth.report.dataset import dataset_sections
from masksynth.report.page import write_page
from masksynth.report.run import run_sections
from masksynth.store import open_store
from masksynth.train.run import RunFolder


def write_report(source: Path | str, out: Path, *, root: Path | None = None, seed: int = 0) -> None:
    """Write the page about `source` to `out`: a masked data set where it is a file, a training run where a folder.

    Parameters
    ----------
    root : folder, optional
        Where the data set's photos are, for thumbnails of the skipped; else where the user's settings say.
    seed : of the choice of faces shown

    Raises
    ------
    ConfigError
        If there is no such file or folder, or the folder is no run.
    StoreError
        If the file is not a masked data set.
    EvaluationError
        If the run's figures are damaged.
    OutputError
        If the page cannot be written.
    """
    source = Path(source)
    if source.is_dir():
        report_run(source, out)
    elif source.exists():
        report_dataset(source, out, root=root, seed=seed)
    else:
        raise ConfigError(f"{source}: there is no such file or folder. Give a masked data set or a run's folder.")


def report_dataset(source: Path, out: Path, *, root: Path | None = None, seed: int = 0) -> None:
    """Write the page about the masked data set in the file `source`; see `write_report`."""
    with open_store(source) as store:
        name = str(store.attrs.get("dataset", ""))
        lead = f"Masked faces made from the data set “{name}” by masksynth {store.attrs.get('masksynth_version', '')}."
        sections = dataset_sections(store, root=root or known_root(name), seed=seed)
    write_page(out, source.name, lead, sections)


def report_run(source: Path, out: Path) -> None:
    """Write the page about the training run in the folder `source`; see `write_report`."""
    run = RunFolder(source)
    config = run.read_config()
    if config is None:
        raise ConfigError(f"{source}: is a folder without config.json, so it is no training run. Give a run's folder.")
    method, data = str(config.get("method", "")).upper(), config.get("data")
    about = Path(str(data.get("path", ""))).name if isinstance(data, dict) else ""
    try:
        sections = run_sections(run)
    except MasksynthError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # JSON, but not of that shape
        raise ConfigError(f"{source}: its config.json, log.csv or evaluation.json is damaged ({error}).") from error
    write_page(out, source.resolve().name, f"A training run ({method}) on {about}.", sections)


def known_root(dataset: str) -> Path | None:
    """Where the user's settings say that the data set is; None where they do not, or say nonsense."""
    try:
        return resolve_root(dataset)
    except MasksynthError:
        return None
