"""Settings of a training run. No torch here, so that the command line can show the defaults at once.

Where no other source is named, a default is the paper's (Du et al., IEEE SPL 2021, section III-A); "released" means the
authors' own code as published with FaceX-Zoo.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from masksynth.errors import ConfigError

Backbone: TypeAlias = Literal["mobilefacenet", "ir50"]  # of our own; others are plug-ins
Loss: TypeAlias = Literal["softmax", "am", "arc", "triplet"]
BnMode: TypeAlias = Literal["joint", "separate", "frozen"]
Direction: TypeAlias = Literal["both", "random"]
QueueMode: TypeAlias = Literal["overwrite", "append"]
Mining: TypeAlias = Literal["semi-hard", "hard", "random", "all"]
Augment: TypeAlias = Literal["hsst", "hsst-compat", "flip", "none"]
Amp: TypeAlias = Literal["off", "bf16"]

PAPER_ITERATIONS = 10_000
GROUP = 4  # images of an identity in a batch of triplets: two NIR, two VIS
PAPER_MOMENTUM = 0.999  # Mo et al., SST (ECCV 2020), and released
# Of the released heads, the triplet's of FaceNet (Schroff et al., CVPR 2015); the paper names none.
SCALE: dict[str, float] = {"softmax": 30.0, "am": 32.0, "arc": 32.0, "triplet": 1.0}
MARGIN: dict[str, float] = {"softmax": 0.0, "am": 0.35, "arc": 0.35, "triplet": 0.2}

# softmax has none; cosines lie in [-1, 1] (am), angles in [0, π] (arc), squared distances in [0, 4] (triplet)
LARGEST_MARGIN: dict[str, float] = {"softmax": 0.0, "am": 2.0, "arc": math.pi, "triplet": 4.0}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What every method shares: network, schedule, data."""

    backbone: str = "mobilefacenet"  # or ir50, or package.module:callable
    width: float = 1.0  # channels of the backbone as a share of the published network's
    dimensions: int = 512  # of a feature
    nir: Literal["masked", "clean"] = "masked"  # which crops to train on; the VIS ones are never masked
    protocol: str = ""  # of the data set; "" is fold01, or the first that has training rows
    iterations: int = PAPER_ITERATIONS
    batch: int = 64  # identities of a batch
    lr: float = 5e-4  # at the start
    milestones: tuple[float, ...] = (0.6, 0.8)  # shares of the iterations at which lr is divided by 10
    sgd_momentum: float = 0.9
    weight_decay: float = 5e-4  # on all parameters; released
    augment: Augment = "hsst"
    amp: Amp = "off"  # "bf16": networks in bfloat16, losses in float32
    validation: float = 0.0  # share of the training identities held out to choose the best network by
    seed: int = 0

    method: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.backbone not in get_args(Backbone) and not all(self.backbone.partition(":")):
            raise ConfigError(
                f"backbone must be one of {', '.join(get_args(Backbone))}, or package.module:callable, got "
                f"{self.backbone!r}"
            )
        _one_of(self, "augment", get_args(Augment))
        _one_of(self, "nir", ("masked", "clean"))
        _one_of(self, "amp", get_args(Amp))
        if not 0 <= self.validation < 1:
            raise ConfigError(f"validation must be in [0, 1), got {self.validation}")
        _at_least(self, "iterations", 1)
        _at_least(self, "batch", 2)
        _at_least(self, "dimensions", 1)
        _at_least(self, "weight_decay", 0.0)
        _at_least(self, "seed", 0)
        if not 0 < self.lr < math.inf:
            raise ConfigError(f"lr must be above 0 and finite, got {self.lr}")
        if not 0 < self.width <= 4:
            raise ConfigError(f"width must be in (0, 4], got {self.width}")
        if not 0 <= self.sgd_momentum < 1:
            raise ConfigError(f"sgd_momentum must be in [0, 1), got {self.sgd_momentum}")
        if list(self.milestones) != sorted(self.milestones) or not all(0 < m < 1 for m in self.milestones):
            raise ConfigError(f"milestones are rising shares of the iterations in (0, 1), got {self.milestones}")

    def lr_at(self, iteration: int) -> float:
        """The learning rate of an iteration, counted from 0."""
        return self.lr * 0.1 ** sum(iteration >= round(m * self.iterations) for m in self.milestones)

    def as_dict(self) -> dict[str, Any]:
        """Every field, fit for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    def digest(self, *more: str) -> str:
        """Eight hex digits of these settings and whatever else decides the result."""
        text = json.dumps([type(self).__name__, self.as_dict(), *more], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True, kw_only=True)
class LossConfig(TrainConfig):
    """A loss over cosines, with its scale and margin."""

    loss: Loss = "softmax"
    scale: float | None = None  # of the logits; None is that of the loss, SCALE
    margin: float | None = (
        None  # cosine (am), radians (arc), squared distance (triplet); None is the loss's own, MARGIN
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _one_of(self, "loss", get_args(Loss))
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise ConfigError(f"scale must be above 0 and finite, got {self.scale}")
        most = LARGEST_MARGIN[self.loss]
        if self.margin is not None and not 0 <= self.margin <= most:
            raise ConfigError(f"the margin of {self.loss} must be in [0, {most:.4g}], got {self.margin}")

    @property
    def loss_scale(self) -> float:
        return SCALE[self.loss] if self.scale is None else self.scale

    @property
    def loss_margin(self) -> float:
        return MARGIN[self.loss] if self.margin is None else self.margin


@dataclass(frozen=True, kw_only=True)
class HsstConfig(LossConfig):
    """Heterogeneous semi-siamese training."""

    method: ClassVar[str] = "hsst"
    queue: int = 128  # prototypes in each of the two queues
    momentum: float | None = None  # of the gallery-net; None is 0.999, rescaled for a short run
    queue_mode: QueueMode = "overwrite"
    direction: Direction = "both"
    bn_mode: BnMode = "joint"  # "separate" is what the released code does; docs/train.md says why it is not the default

    def __post_init__(self) -> None:
        super().__post_init__()
        _one_of(self, "queue_mode", get_args(QueueMode))
        _one_of(self, "direction", get_args(Direction))
        _one_of(self, "bn_mode", get_args(BnMode))
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise ConfigError(f"momentum must be in [0, 1), got {self.momentum}")
        if self.queue < self.batch or self.queue % self.batch:
            raise ConfigError(f"queue must be a multiple of batch ({self.batch}), got {self.queue}")

    @property
    def gallery_momentum(self) -> float:
        """Share of the gallery-net kept per step.

        A run of T < 10,000 iterations takes 0.999^(10,000 / T), so that the gallery-net goes as far from its start as
        in the paper's run.
        """
        if self.momentum is not None:
            return self.momentum
        return float(PAPER_MOMENTUM ** max(1.0, PAPER_ITERATIONS / self.iterations))


@dataclass(frozen=True, kw_only=True)
class SstConfig(HsstConfig):
    """Semi-siamese training before it knew spectra (Du et al., ECCV 2020): pairs of any two images, one queue."""

    method: ClassVar[str] = "sst"


@dataclass(frozen=True, kw_only=True)
class PlainConfig(LossConfig):
    """Plain fine-tuning on the union of NIR and VIS images: a classifier over the identities, or triplets."""

    method: ClassVar[str] = "plain"
    head_lr: float = 10.0  # learning rate of the new classifier as a multiple of lr; ours, the paper is silent
    mining: Mining = "semi-hard"  # of triplets; FaceNet
    cross_modal: bool = False  # triplets whose anchor differs in spectrum from positive and negative alone

    def __post_init__(self) -> None:
        super().__post_init__()
        _one_of(self, "mining", get_args(Mining))
        if not self.head_lr > 0:
            raise ConfigError(f"head_lr must be above 0, got {self.head_lr}")
        if self.loss == "triplet" and (self.batch % GROUP or self.batch < 2 * GROUP):
            raise ConfigError(
                f"a batch of triplets is a multiple of {GROUP} images, two NIR and two VIS of each identity, and has "
                f"two identities at least: {2 * GROUP} or more images; got {self.batch}"
            )


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(PlainConfig):
    """A classifier on very many VIS photos, to start from. Defaults: FaceX-Zoo's for MobileFaceNet on MS1M-v1c."""

    method: ClassVar[str] = "pretrain"
    loss: Loss = "am"
    side: int = 144  # of the crops
    epochs: int = 18  # decide the iterations, once the photos are counted
    batch: int = 512
    lr: float = 0.1
    milestones: tuple[float, ...] = (10 / 18, 13 / 18, 16 / 18)
    head_lr: float = 1.0
    augment: Augment = "flip"

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, "epochs", 1)
        _at_least(self, "side", 32)
        if self.loss == "triplet":
            raise ConfigError("pretraining is by a classifier: loss must be softmax, am or arc")


@dataclass(frozen=True, kw_only=True)
class IdrConfig(TrainConfig):
    """Invariant deep representation: He, Wu, Sun, Tan, AAAI 2017. The weights of the terms are ours (docs/train.md)."""

    method: ClassVar[str] = "idr"
    shared: int = 512  # d, rows of W; the tested feature
    orthogonality: float = 0.02  # λ of Σ |P_i^T W|²
    scale: float = 30.0  # of the classifier's cosines
    head_lr: float = 10.0  # learning rate of the classifier as a multiple of lr

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, "shared", 1)
        _at_least(self, "orthogonality", 0.0)
        for name in ("scale", "head_lr"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.batch % 2:
            raise ConfigError(f"batch must be even, half NIR and half VIS, got {self.batch}")


@dataclass(frozen=True, kw_only=True)
class WcnnConfig(IdrConfig):
    """Wasserstein CNN: He, Wu, Sun, Tan, TPAMI 2019. The weights of the terms are ours (docs/train.md)."""

    method: ClassVar[str] = "wcnn"
    orthogonality: float = 1e-3
    wasserstein: float = 10.0  # of the distance between the NIR and the VIS features
    correlation: float = 1e-3  # of the nuclear norm of the two classifiers

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, "wasserstein", 0.0)
        _at_least(self, "correlation", 0.0)


AUTHORS: dict[str, Any] = {"bn_mode": "separate", "queue_mode": "overwrite", "augment": "hsst-compat"}
"""--preset authors: what the released code does where we do otherwise."""


def fit_to_identities(config: Any, identities: int) -> tuple[Any, str]:
    """Shrink queue, then batch, until `identities` suffice; the second value says what was done, or is "".

    No identity may be in the batch and in the queue at once, so queue + batch identities are needed.
    """
    from masksynth.errors import TrainingError, counted

    batch, queue = config.batch, config.queue
    if identities >= batch + queue:
        return config, ""
    if identities < 4:
        raise TrainingError(
            f"only {counted(identities, 'identity has', 'identities have')} both NIR and VIS images to train on; 4 are "
            f"needed at the very least, and {batch + queue} for a batch of {batch} and a queue of {queue}."
        )
    batch = min(batch, identities // 2)
    queue = (identities - batch) // batch * batch
    note = (
        f"{identities} identities are too few for a batch of {config.batch} and a queue of {config.queue} "
        f"({config.batch + config.queue} needed); using batch {batch}, queue {queue}"
    )
    return dataclasses.replace(config, batch=batch, queue=queue), note


def _one_of(config: object, name: str, choices: tuple[str, ...]) -> None:
    value = getattr(config, name)
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def _at_least(config: object, name: str, least: float) -> None:
    value = getattr(config, name)
    if not value >= least:
        raise ConfigError(f"{name} must be at least {least}, got {value}")
