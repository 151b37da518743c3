"""Other people's backbone weights: state dicts of FaceX-Zoo and its relatives.

Read with ``weights_only=True`` or as safetensors: a pickled module, which could run code, is refused.
"""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masksynth.errors import WeightsError, counted
from masksynth.resources import user_weights
from masksynth.train.networks import NetworkInfo, build, fit_state, is_ours, load_network, network_file, save_network

WRAPPERS = ("state_dict", "model", "net", "model_state_dict")  # keys under which a checkpoint keeps its weights
PREFIXES = ("module.", "backbone.", "feat_net.", "probe_net.", "net.")
HEADS = ("head.", "gallery_net.", "fc.weight", "classifier.")  # not of the backbone


def load_any(
    path: Path, *, side: int | None = None, channel_order: str = "bgr", plugin: str = ""
) -> tuple[nn.Module, NetworkInfo]:
    """A network of ours or of others, in evaluation mode on the CPU, carried to `side` where it is of another.

    `path` is a run's folder, a network file of masksynth, or a checkpoint that `read_foreign` knows; `channel_order` is
    that of the latter; `plugin` as in `networks.build`.

    Raises
    ------
    WeightsError, ConfigError
    """
    path = network_file(path)
    if is_ours(path):
        net, info = load_network(path, plugin=plugin)
        tensors = net.state_dict()
    else:
        tensors, info = read_foreign(path, channel_order=channel_order)
    if side is not None:
        tensors, info = carried_to_side(tensors, info, side)
    net = build(info, plugin)
    fit_state(net, tensors, path)
    return net.eval(), info


def import_backbone(path: Path, *, channel_order: str = "bgr") -> tuple[Path, NetworkInfo]:
    """Keep others' weights in the user's folder, as a network file of ours; where it is, and what it is.

    ``--init`` then takes its name, the file's without suffix.
    """
    tensors, info = read_foreign(Path(path), channel_order=channel_order)
    net = build(info)
    fit_state(net, tensors, path)
    kept = user_weights() / f"{Path(path).stem}.safetensors"
    kept.parent.mkdir(parents=True, exist_ok=True)
    save_network(kept, net, info)
    return kept, info


def read_foreign(path: Path, *, channel_order: str = "bgr") -> tuple[dict[str, Tensor], NetworkInfo]:
    """The tensors of a backbone and what it is, told from their names and shapes.

    Parameters
    ----------
    channel_order : "rgb" or "bgr"
        Of the input that it was trained on; FaceX-Zoo's networks take BGR.

    Raises
    ------
    WeightsError
        If the file cannot be read without running code, or is no MobileFaceNet or IR-50 of known names and shapes.
    """
    held = _unwrap(_load(path), path)
    keys = _stripped(held)
    tensors = {name: held[key] for name, key in keys.items()}
    info = dataclasses.replace(_recognise(tensors, path), channel_order=channel_order, origin=f"{path.name}, imported")
    fit_state(build(info), tensors, path)
    broken = [keys[name] for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        such = counted(len(broken), "such tensor")
        raise WeightsError(f"{path}: {broken[0]} has values that are not finite ({such} in all).")
    return tensors, info


def carried_to_side(tensors: dict[str, Tensor], info: NetworkInfo, side: int) -> tuple[dict[str, Tensor], NetworkInfo]:
    """Weights for another side of the crop: an approximation, to be fine-tuned.

    Only the last kernel depends on the side: MobileFaceNet's global depthwise convolution, IR-50's fully connected
    layer seen as one. It is resized bilinearly and scaled by the ratio of the areas, so that a constant map gives the
    same feature.
    """
    if side == info.side:
        return tensors, info
    old, new = -(-info.side // 16), -(-side // 16)
    tensors = dict(tensors)
    if info.arch == "mobilefacenet":
        tensors["conv_6_dw.conv.weight"] = _resized(tensors["conv_6_dw.conv.weight"], new)
    elif info.arch == "ir50":
        full = tensors["output_layer.3.weight"]
        kernel = _resized(full.reshape(len(full), -1, old, old), new)
        tensors["output_layer.3.weight"] = kernel.reshape(len(full), -1)
    else:
        raise WeightsError(f"weights of a {info.arch} for {info.side} px cannot be carried to {side} px.")
    origin = f"{info.origin}, carried from {info.side} to {side} px"
    return tensors, dataclasses.replace(info, side=side, origin=origin)


def _resized(kernel: Tensor, size: int) -> Tensor:
    resized = F.interpolate(kernel.float(), size=(size, size), mode="bilinear", align_corners=False)
    return resized * (kernel.shape[-1] / size) ** 2


def _load(path: Path) -> Any:
    if not path.is_file():
        what = "is a folder, but a file is wanted" if path.is_dir() else "there is no such file of weights"
        raise WeightsError(f"{path}: {what}.")
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise WeightsError(f"{path}: is not a readable safetensors file ({_first(error)}).") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # anything may come out of a file that is no checkpoint
        if _is_pickle(path):
            raise WeightsError(
                f"{path}: holds more than tensors, a pickled module perhaps, and cannot be read without running its "
                "code. Where you trust it, load it in its own project and save model.state_dict(); import that."
            ) from error
        raise WeightsError(f"{path}: is not a checkpoint of torch, or is damaged.") from error


def _unwrap(state: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(state, dict) and not any(isinstance(v, Tensor) for v in state.values()):
        inner = [state[k] for k in WRAPPERS if isinstance(state.get(k), dict)]
        if not inner:
            break
        state = inner[0]
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: holds no state dict (names and tensors).")
    return {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, Tensor)}


def _stripped(keys: Iterable[str]) -> dict[str, str]:
    """Names of the backbone's tensors → their keys in the file: without the prefixes, one before the other, that
    wrappers put there."""
    out = {}
    for key in keys:
        name = key
        while prefix := next((p for p in PREFIXES if name.startswith(p)), ""):
            name = name.removeprefix(prefix)
        if not name.startswith(HEADS):
            out[name] = key
    return out


def _recognise(tensors: dict[str, Tensor], path: Path) -> NetworkInfo:
    shapes = {name: tuple(t.shape) for name, t in tensors.items()}
    last, full = shapes.get("conv_6_dw.conv.weight"), shapes.get("output_layer.3.weight")
    if last is not None and len(last) == 4 and "linear.weight" in shapes and "conv1.conv.weight" in shapes:
        width = shapes["conv1.conv.weight"][0] / 64
        return NetworkInfo(arch="mobilefacenet", side=16 * last[-1], dimensions=shapes["linear.weight"][0], width=width)
    if full is not None and len(full) == 2 and "input_layer.0.weight" in shapes:
        channels = shapes["input_layer.0.weight"][0] * 8
        side = 16 * round((full[1] / channels) ** 0.5)
        return NetworkInfo(arch="ir50", side=side, dimensions=full[0], width=channels / 512)
    known = ", ".join(list(shapes)[:3])
    raise WeightsError(
        f"{path}: is neither MobileFaceNet nor IR-50 by its names ({known}, …). FaceX-Zoo's names are wanted; "
        "InsightFace's mbf and iresnet are other networks."
    )


def _is_pickle(path: Path) -> bool:
    """Whether a file looks like what torch.save writes: a zip archive, or a bare pickle of protocol 2 or later."""
    with open(path, "rb") as file:
        return zipfile.is_zipfile(file) or (file.seek(0), file.read(1))[1] == b"\x80"


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
