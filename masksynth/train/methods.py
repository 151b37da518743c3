"""The methods by name: how each puts network, data and settings together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from masksynth.errors import counted
from masksynth.train.augment import InputFormat
from masksynth.train.batches import AnyPairBatches, GroupBatches, PairBatches, UnionBatches
from masksynth.train.config import GROUP, HsstConfig, PlainConfig, TrainConfig, fit_to_identities
from masksynth.train.disentangled import Disentangled
from masksynth.train.fold import Fold
from masksynth.train.hsst import Hsst
from masksynth.train.loop import Batches, Method
from masksynth.train.plain import Plain
from masksynth.train.sampler import GroupSampler, PairSampler, UnionSampler
from masksynth.train.sst import Sst


@dataclass(frozen=True)
class Made:
    """A method ready to be trained."""

    method: Method
    batches: Batches
    config: TrainConfig  # as used: fitted to the data
    notes: list[str] = field(default_factory=list)
    derived: dict[str, Any] = field(default_factory=dict)  # settings that the configuration left to the method


def make_hsst(config: Any, net: nn.Module, fold: Fold, form: InputFormat, device: torch.device) -> Made:
    """HSST, or its forerunner SST."""
    fitted, note = fit_to_identities(config, fold.identities)
    sampler = PairSampler(
        fold.nir_identity, fold.vis_identity, batch=fitted.batch, queue=fitted.queue, seed=config.seed
    )
    how: dict[str, Any] = {"augment": config.augment, "seed": config.seed, "device": device}
    derived = {"momentum": fitted.gallery_momentum, **_loss_settings(fitted)}
    notes = [note] if note else []
    if config.method == "sst":
        return Made(Sst(net, fitted).to(device), AnyPairBatches(fold, sampler, form, **how), fitted, notes, derived)
    return Made(Hsst(net, fitted).to(device), PairBatches(fold, sampler, form, **how), fitted, notes, derived)


def make_plain(config: PlainConfig, net: nn.Module, fold: Fold, form: InputFormat, device: torch.device) -> Made:
    """A classifier on shuffled images of either kind, or triplets on groups of two NIR and two VIS images."""
    how: dict[str, Any] = {"augment": config.augment, "seed": config.seed, "device": device}
    method = Plain(net, config, fold.identities).to(device)
    if config.loss != "triplet":
        sampler = UnionSampler(len(fold.nir) + len(fold.vis), batch=config.batch, seed=config.seed)
        return Made(method, UnionBatches(fold, sampler, form, **how), config, derived=_loss_settings(config))
    groups, notes, fitted = _groups(config, GROUP, fold)
    each = GroupSampler(fold.nir_identity, fold.vis_identity, groups=groups, each=GROUP // 2, seed=config.seed)
    return Made(method, GroupBatches(fold, each, form, **how), fitted, notes, _loss_settings(config))


def make_disentangled(config: Any, net: nn.Module, fold: Fold, form: InputFormat, device: torch.device) -> Made:
    """IDR or W-CNN, on as many NIR as VIS images of the same identities."""
    how: dict[str, Any] = {"augment": config.augment, "seed": config.seed, "device": device}
    groups, notes, fitted = _groups(config, 2, fold)
    sampler = GroupSampler(fold.nir_identity, fold.vis_identity, groups=groups, each=1, seed=config.seed)
    method = Disentangled(net, fitted, fold.identities).to(device)  # type: ignore[arg-type]
    return Made(method, GroupBatches(fold, sampler, form, **how), fitted, notes)


METHODS: dict[str, Callable[[Any, nn.Module, Fold, InputFormat, torch.device], Made]] = {
    "hsst": make_hsst,
    "sst": make_hsst,
    "plain": make_plain,
    "idr": make_disentangled,
    "wcnn": make_disentangled,
}
"""Name → builder from (configuration, starting network, fold, input format, device)."""


def _loss_settings(config: HsstConfig | PlainConfig) -> dict[str, Any]:
    return {"scale": config.loss_scale, "margin": config.loss_margin}


def _groups(config: Any, images: int, fold: Fold) -> tuple[int, list[str], Any]:
    """Identities of a batch with so many images of each; fewer where the fold has fewer."""
    groups = config.batch // images
    if groups <= fold.identities:
        return groups, [], config
    fitted = dataclasses.replace(config, batch=fold.identities * images)
    few = counted(fold.identities, "identity is", "identities are")
    note = f"{few} too few for a batch of {config.batch}; using batch {fitted.batch}"
    return fold.identities, [note], fitted
