"""Networks that only the user can bring: read from the published files, checked, kept as safetensors.

Beside NAME.safetensors lies NAME.safetensors.sha256, so that a damaged file is noticed. The safetensors file says in
its own metadata where it came from. Reading a published file never runs code that is in it.
"""

from __future__ import annotations

import hashlib
import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from masksynth.errors import WeightsError
from masksynth.files import write_bytes
from masksynth.weights.faceboxes_layout import FACEBOXES_SHA256, faceboxes_shapes
from masksynth.weights.fetch import file_sha256
from masksynth.weights.prnet_layout import tensors
from masksynth.weights.registry import KnownNetwork
from masksynth.weights.tf_checkpoint import checkpoint_files, read_checkpoint

Arrays = dict[str, npt.NDArray[np.float32]]

FACEXZOO_PRNET_BLOB = "3a7a706e2c2c7c299ad10666180af0909b839d9e"
"""Git's name of FaceX-Zoo's prnet.pth, by which the genuine file is known."""
PRNET_INDEX_SHA256 = "cb88192fcf744b8e26d1ea6a2681cd90f102a2d977ab1bac3026bdf4ce785744"
"""Of the index of PRNet's own checkpoint. It holds a checksum of every tensor, so data that agree are genuine too."""


@dataclass(frozen=True)
class UserFile:
    """What a user's file holds."""

    arrays: Arrays  # by the names that the networks here have
    source: str  # the file's name
    form: str  # what kind of file it is, for people
    sha256: str  # of the file; of a checkpoint, of its data
    genuine: bool  # whether it is known, by its hash, to be the published one


def read_prnet(path: Path) -> UserFile:
    """PRNet's tensors from FaceX-Zoo's PyTorch state dict or from PRNet's own TensorFlow checkpoint.

    Parameters
    ----------
    path : file or folder
        prnet.pth; or any of the checkpoint's files or their common stem; or a folder that holds the one or the other.

    Raises
    ------
    WeightsError
        If it is neither, is cut short, or lacks a tensor.
    """
    if path.is_dir():
        path = _only_weights_in(path)
    stem_of_checkpoint = not path.exists() and path.with_name(path.name + ".index").exists()
    if stem_of_checkpoint or path.suffix in (".index", ".meta") or ".data-" in path.name:
        index, data = checkpoint_files(path)
        found = read_checkpoint(path, {t.tensorflow: t.tensorflow_shape for t in tensors()})
        arrays = {}
        for tensor in tensors():
            values = found[tensor.tensorflow]
            arrays[tensor.name] = values if values.ndim == 1 else np.ascontiguousarray(values.transpose(3, 2, 0, 1))
        _check_finite(path, found)
        genuine = file_sha256(index) == PRNET_INDEX_SHA256
        return UserFile(arrays, data.name, "TensorFlow checkpoint", file_sha256(data), genuine)
    state = read_state_dict(path)
    arrays = _chosen(path, state, {t.name: (t.pytorch, t.shape) for t in tensors()})
    return UserFile(arrays, path.name, "PyTorch state dict", file_sha256(path), git_blob(path) == FACEXZOO_PRNET_BLOB)


def _only_weights_in(folder: Path) -> Path:
    """The one checkpoint or PyTorch file in a folder; prnet.pth counts before files of other names."""
    found = sorted(folder.glob("*.index")) + (sorted(folder.glob("prnet.pth")) or sorted(folder.glob("*.pth")))
    if len(found) == 1:
        return found[0]
    if found:
        raise WeightsError(f"{folder}: holds {', '.join(path.name for path in found)}. Give the one that you mean.")
    parts = sorted(path.name for path in folder.glob("*.data-*"))
    what = (
        f"the .index file that belongs to {parts[0]}" if parts else "neither prnet.pth nor a checkpoint's .index file"
    )
    raise WeightsError(f"{folder}: {'lacks' if parts else 'holds'} {what}. Give the folder or file that has it.")


def read_faceboxes(path: Path) -> UserFile:
    """FaceBoxes' tensors from the published PyTorch state dict. Raises WeightsError where it is not one."""
    state = read_state_dict(path)
    arrays = _chosen(path, state, {name: (name, shape) for name, shape in faceboxes_shapes().items()})
    digest = file_sha256(path)
    return UserFile(arrays, path.name, "PyTorch state dict", digest, digest == FACEBOXES_SHA256)


def read_state_dict(path: Path) -> Arrays:
    """Every floating tensor of a PyTorch file, as float32, by its key there."""
    import torch

    _check_start(path)
    _check_sums(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unusual pickle protocols
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive makes the reader raise nearly anything
        if type(error).__name__ == "UnpicklingError":
            what = re.search(r"GLOBAL ([\w.]+)", str(error))
            raise WeightsError(
                f"{path}: holds more than tensors{f' ({what[1]})' if what else ''}, and reading that could run code. "
                "Save its state dict alone."
            ) from error
        raise WeightsError(f"{path}: is damaged or cut short. Copy it anew.") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise WeightsError(f"{path}: holds no dictionary of tensors.")
    tensors_in = {
        key: value.detach()
        for key, value in content.items()
        if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.ndim)  # counters are left out
    }
    for key, value in tensors_in.items():
        if value.layout != torch.strided or value.is_meta or value.is_quantized:
            raise WeightsError(f"{path}: {key} is no plain tensor (sparse, quantized or without values).")
        if not value.is_floating_point():
            raise WeightsError(f"{path}: {key} is {str(value.dtype).removeprefix('torch.')}, but float32 is wanted.")
    return {key: value.to(torch.float32).numpy() for key, value in tensors_in.items()}


def _check_start(path: Path) -> None:
    """Raise WeightsError unless the file begins as PyTorch's do."""
    if path.is_dir():
        raise WeightsError(f"{path}: is a folder. Give the file in it.")
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file.")
    with path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith((b"PK\x03\x04", b"\x80\x02")):  # the archive, and the pickle that came before it
        return
    if not start:
        raise WeightsError(f"{path}: is empty. Copy it anew.")
    packed = start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zX")) or path.suffix == ".tar"
    advice = "Unpack it, and give the file that was in it." if packed else "Give a state dict that torch.save wrote."
    raise WeightsError(f"{path}: is not a PyTorch file. {advice}")


def _check_sums(path: Path) -> None:
    """Raise WeightsError where a part of a PyTorch archive differs from its checksum: the reader does not look."""
    if not zipfile.is_zipfile(path):
        return  # a pickle alone, or an archive whose end is missing, which the reader does notice
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # a damaged directory makes it raise nearly anything
        raise WeightsError(f"{path}: is damaged or cut short. Copy it anew.") from error
    if damaged:
        raise WeightsError(f"{path}: is damaged: {damaged} differs from its checksum. Copy it anew.")


def git_blob(path: Path) -> str:
    """What Git calls a file: sha1 of ``blob``, its size and its bytes."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def store(network: KnownNetwork, file: UserFile, checked: str) -> Path:
    """Keep what `file` holds as the network; `checked` says how it was found to be good."""
    from safetensors.numpy import save

    metadata = {
        "network": network.name,
        "source": file.source,
        "source_form": file.form,
        "source_sha256": file.sha256,
        "genuine": "yes" if file.genuine else "not known by its hash",
        "checked": checked,
    }
    data = save({name: np.ascontiguousarray(values) for name, values in file.arrays.items()}, metadata)
    network.path.parent.mkdir(parents=True, exist_ok=True)
    # The hash goes last: until it is there, the file does not count.
    network.sidecar.unlink(missing_ok=True)
    write_bytes(network.path, data)
    write_bytes(network.sidecar, (hashlib.sha256(data).hexdigest() + "\n").encode())
    return network.path


def origin(network: KnownNetwork) -> dict[str, str]:
    """The metadata of an imported network."""
    from safetensors import safe_open

    with safe_open(network.path, "numpy") as stored:
        return dict(stored.metadata() or {})


def _chosen(path: Path, state: Arrays, wanted: dict[str, tuple[str, tuple[int, ...]]]) -> Arrays:
    """The tensors `wanted` (our name to theirs and shape); others are ignored, and ``module.`` in front of a key."""
    keys = {key.removeprefix("module."): key for key in state}
    missing = [theirs for theirs, _ in wanted.values() if theirs not in keys]
    if missing:
        raise WeightsError(
            f"{path}: lacks {len(missing)} of {len(wanted)} tensors that are needed, the first is {missing[0]}."
        )
    arrays = {}
    for name, (theirs, shape) in wanted.items():
        key = keys[theirs]
        if state[key].shape != shape:
            raise WeightsError(f"{path}: {key} is {state[key].shape}, but {shape} is wanted.")
        arrays[name] = state[key]
    _check_finite(path, {keys[theirs]: state[keys[theirs]] for theirs, _ in wanted.values()})
    return arrays


def _check_finite(path: Path, arrays: Arrays) -> None:
    """Raise WeightsError where a tensor, by its key in the file, is not of numbers."""
    for key, values in arrays.items():
        if not np.isfinite(values).all():
            raise WeightsError(f"{path}: {key} has values that are not finite.")
