"""IR-50, the ResNet-50 of face recognition: the paper's second backbone.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the units of Deng et al., "ArcFace", CVPR
2019 (section 3.1): batch-norm before the first convolution, PReLU, stride in the second. Parameters carry the names of
the FaceX-Zoo network "Resnet50-ir", so its weights load.
"""

from __future__ import annotations

from torch import Tensor, nn

from masksynth.train.prelu import PReLU

STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))  # channels, units; the first unit of each halves the map
DROPOUT = 0.4  # before the last layer; released


class Unit(nn.Module):
    """Batch-norm, 3x3, PReLU, 3x3 with the stride, batch-norm; plus the shortcut."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        if inputs == channels:
            self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)  # every stride-th pixel
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, channels, 3, 1, 1, bias=False),
            PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return y


class IR50(nn.Module):
    """(N, 3, S, S) → (N, D) features, not of unit length; S a multiple of 16.

    `width` scales the channels; below 1 for trials on a small machine.
    """

    def __init__(self, side: int = 112, dimensions: int = 512, width: float = 1.0) -> None:
        super().__init__()
        channels = [max(8, round(c * width)) for c, _ in STAGES]
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, channels[0], 3, 1, 1, bias=False), nn.BatchNorm2d(channels[0]), PReLU(channels[0])
        )
        units: list[Unit] = []
        inputs = channels[0]
        for outputs, (_, count) in zip(channels, STAGES, strict=True):
            for k in range(count):
                units.append(Unit(inputs, outputs, 2 if k == 0 else 1))
                inputs = outputs
        self.body = nn.Sequential(*units)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Dropout(DROPOUT),
            nn.Flatten(),
            nn.Linear(inputs * (-(-side // 16)) ** 2, dimensions),
            nn.BatchNorm1d(dimensions),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self.input_layer(x))
        features: Tensor = self.output_layer(x.contiguous())
        return features
