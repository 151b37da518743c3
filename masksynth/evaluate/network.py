"""A trained network on a masked data set."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from masksynth.errors import EvaluationError
from masksynth.evaluate.embed import embed, with_statistics_of
from masksynth.evaluate.metrics import FarRule
from masksynth.evaluate.protocols import FARS, ProbeResult, evaluate_probes, over_protocols
from masksynth.evaluate.results import plain, result_as_json
from masksynth.store import SPECTRA, Store, StoredProtocol, open_store
from masksynth.train.networks import NetworkInfo, file_sha256, load_network, network_file
from masksynth.train.run import newest_run
from masksynth.train.start import choose_device

Features = dict[tuple[str, int], npt.NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a network reaches on a data set."""

    data: Path
    weights: Path
    weights_sha256: str
    network: NetworkInfo
    dataset: str
    complete: bool  # of the data set
    content_sha256: str  # of the data set; "" where the file does not say
    rule: FarRule
    protocols: dict[str, tuple[ProbeResult, ...]]
    notes: tuple[str, ...]


def evaluate_network(
    data: Path,
    *,
    weights: Path | None = None,
    protocols: Sequence[str] = (),
    fars: Sequence[float] = FARS,
    rule: FarRule = "strict",
    batch_norm: Literal["stored", "per-spectrum"] = "stored",
    device: str = "auto",
    plugin: str = "",
    on_begin: Callable[[int], None] = lambda total: None,
    on_step: Callable[[int], None] = lambda images: None,
) -> Evaluation:
    """Embed probes and gallery of each protocol and measure.

    Parameters
    ----------
    weights : path, optional
        A run's folder or a network file; the newest run on this data where not given.
    protocols : names, or ("all",) for every one that has probes
        Where none is named: the one that the network was trained on, else all. In the other folds of that data set some
        of its training identities are probes.
    batch_norm : "stored" or "per-spectrum"
        "per-spectrum" takes batch-norm statistics of NIR and of VIS apart, estimated anew on the training images of the
        first protocol: what a network that was trained with ``bn_mode="separate"`` asks for.
    plugin : str
        The package.module:callable that made the network's backbone, where it was not masksynth.
    on_begin, on_step : callable
        Called with how many images there are to embed, and then with how many more were.

    Raises
    ------
    StoreError, WeightsError, TrainingError, EvaluationError
    """
    with open_store(data) as store:
        if weights is None:
            weights = newest_run(data, str(store.attrs.get("plan_sha256", ""))).path
        net, info = load_network(weights, side=store.side, plugin=plugin)
        chosen = _choose(store, protocols, info.protocol)
        kinds: tuple[Literal["image", "clean"], ...] = (
            ("image", "clean") if "clean" in store.kinds("nir") else ("image",)
        )
        vis_rows = np.unique(np.concatenate([p.vis_gallery for p in chosen]))
        nir_rows = np.unique(np.concatenate([p.nir_probe for p in chosen]))
        where = choose_device(device)
        nets = {"nir": net, "vis": net}
        if batch_norm == "per-spectrum":
            nets = {
                s: with_statistics_of(net, info.input, _training_images(store, chosen[0], s), where) for s in SPECTRA
            }
        on_begin(len(vis_rows) + len(kinds) * len(nir_rows))

        def features(spectrum: Literal["nir", "vis"], rows: npt.NDArray[Any], kind: Literal["image", "clean"]) -> Any:
            out = []
            for start in range(0, len(rows), 512):  # a whole data set need not fit into memory
                part = rows[start : start + 512]
                out.append(embed(nets[spectrum], info.input, store.images(spectrum, part, kind), device=where))
                on_step(len(part))
            return np.concatenate(out)

        vis = features("vis", vis_rows, "image")
        nir = {kind: features("nir", nir_rows, kind) for kind in kinds}
        results = {}
        for protocol in chosen:
            probe_at = np.searchsorted(nir_rows, protocol.nir_probe)
            gallery_at = np.searchsorted(vis_rows, protocol.vis_gallery)
            results[protocol.name] = tuple(
                evaluate_probes(
                    nir[kind][probe_at],
                    _names(store, store.labels("nir", protocol.nir_probe)),
                    vis[gallery_at],
                    _names(store, store.labels("vis", protocol.vis_gallery)),
                    probes="masked"
                    if kind == "image" and len(kinds) == 2
                    else "unmasked"
                    if kind == "clean"
                    else _kind(store),
                    missing_probes=[skipped.subject for skipped in protocol.missing["nir_probe"]],
                    missing_gallery=[skipped.subject for skipped in protocol.missing["vis_gallery"]],
                    fars=fars,
                    rule=rule,
                )
                for kind in kinds
            )
        file = network_file(weights)
        return Evaluation(
            data=Path(data),
            weights=Path(weights),
            weights_sha256=file_sha256(file),
            network=info,
            dataset=str(store.attrs.get("dataset", "")),
            complete=store.complete,
            content_sha256=str(store.attrs.get("content_sha256", "")),
            rule=rule,
            protocols=results,
            notes=(*_notes(store, info), *_seen(info.protocol, chosen), *own_splits(chosen)),
        )


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The result as plain values; docs/evaluate.md describes them. NaN becomes null."""
    out: dict[str, Any] = {
        "format": "masksynth-evaluation/1",
        "data": os.path.abspath(evaluation.data),
        "dataset": evaluation.dataset,
        "complete": evaluation.complete,
        "content_sha256": evaluation.content_sha256,
        "weights": {"path": os.path.abspath(evaluation.weights), "sha256": evaluation.weights_sha256},
        "network": dataclasses.asdict(evaluation.network),
        "far_rule": evaluation.rule,
        "notes": list(evaluation.notes),
        "protocols": {
            name: {result.probes: result_as_json(result) for result in results}
            for name, results in evaluation.protocols.items()
        },
        "over_folds": {
            probes: {name: plain(spread) for name, spread in figures.items()}
            for probes, figures in over_protocols(evaluation.protocols).items()
        },
    }
    return out


def own_splits(protocols: Sequence[StoredProtocol]) -> tuple[str, ...]:
    """A sentence that names the protocols whose split no publication knows; figures on them compare with nothing."""
    names = [protocol.name for protocol in protocols if not protocol.published]
    if not names:
        return ()
    return (f"The split of {', '.join(names)} is of masksynth's own making, not the published one.",)


def _seen(trained_on: str, chosen: Sequence[StoredProtocol]) -> tuple[str, ...]:
    """A sentence where a network is measured on the fold it was trained on and on others too."""
    names = [protocol.name for protocol in chosen]
    if trained_on not in names or len(names) < 2:
        return ()
    return (f"The network was trained on {trained_on}; in the other protocols some of its training people are probes.",)


def _training_images(store: Store, protocol: StoredProtocol, spectrum: Literal["nir", "vis"]) -> Any:
    rows = protocol.nir_train if spectrum == "nir" else protocol.vis_train
    if len(rows) < 2:
        raise EvaluationError(f"{store.path}: protocol '{protocol.name}' has no {spectrum} rows to estimate on.")
    return store.images(spectrum, rows[:: -(-len(rows) // 2048)])


def _choose(store: Store, names: Sequence[str], trained_on: str) -> list[StoredProtocol]:
    if not names:
        names = (trained_on,) if trained_on in store.protocols else ("all",)
    if list(names) != ["all"]:
        chosen = [store.protocol(name) for name in names]
    else:
        chosen = [store.protocol(name) for name in store.protocols]
        chosen = [p for p in chosen if len(p.nir_probe) and len(p.vis_gallery)]
    empty = [p.name for p in chosen if not len(p.nir_probe) or not len(p.vis_gallery)]
    if empty or not chosen:
        which = f"protocol '{empty[0]}'" if empty else "every protocol"
        raise EvaluationError(f"{store.path}: {which} lacks probes or a gallery, so there is nothing to measure.")
    return chosen


def _names(store: Store, labels: npt.NDArray[np.int32]) -> npt.NDArray[np.str_]:
    return np.array(store.subjects)[labels]


def _kind(store: Store) -> str:
    return "masked" if "alpha" in store.kinds("nir") else "unmasked"


def _notes(store: Store, info: NetworkInfo) -> tuple[str, ...]:
    notes = []
    if info.origin == "from scratch":
        notes.append("the network was trained from scratch, not from one that was pretrained on millions of faces")
    if not store.complete:
        notes.append("the data set is marked incomplete: more photos were skipped than its making allowed")
    return tuple(notes)
