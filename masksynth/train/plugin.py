"""Backbones from the user's own code or a library, named as PACKAGE.MODULE:CALLABLE.

The name is imported, so it is the user's to type: a network file that speaks of one is refused until the user has named
it too. See `networks.build`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from masksynth.errors import ConfigError


def is_plugin(name: str) -> bool:
    """Whether a backbone's name is that of a callable to import."""
    return ":" in name


def build_plugin(name: str, side: int, dimensions: int, width: float = 1.0) -> nn.Module:
    """The network that the callable makes.

    It is given, by name, those of ``side``, ``dimensions``, ``width``, ``img_size`` (the side) and ``num_classes`` (the
    dimensions) that its signature has; where it takes any keyword and neither of the two names of the dimensions,
    ``num_classes``, as timm's and torchvision's builders want it.

    Parameters
    ----------
    name : str
        ``package.module:callable``; modules of the working folder are found too.

    Returns
    -------
    nn.Module
        (N, 3, side, side) → (N, dimensions)

    Raises
    ------
    ConfigError
        If it cannot be imported or called, or does not make such a network.
    """
    make = _imported(name)
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):
        parameters = {}  # type: ignore[assignment]  # a builtin: it tells nothing
    offered = {"side": side, "img_size": side, "dimensions": dimensions, "num_classes": dimensions, "width": width}
    given: dict[str, Any] = {key: value for key, value in offered.items() if key in parameters}
    any_keyword = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if any_keyword and not {"dimensions", "num_classes"} & set(given):
        given["num_classes"] = dimensions
    if width != 1 and "width" not in given:
        raise ConfigError(f"--backbone {name} knows no width, but {width:g} is asked for.")
    said = ", ".join(f"{key}={value}" for key, value in given.items())
    try:
        net = make(**given)
    except Exception as error:
        raise ConfigError(f"--backbone {name}: {name.partition(':')[2]}({said}) failed: {_first(error)}.") from error
    if not isinstance(net, nn.Module):
        raise ConfigError(f"--backbone {name}: made a {type(net).__name__}, but a torch.nn.Module is wanted.")
    try:
        with torch.no_grad():
            features = net.eval()(torch.zeros(2, 3, side, side))
        shape = tuple(features.shape)
    except Exception as error:
        raise ConfigError(f"--backbone {name}: cannot take (2, 3, {side}, {side}): {_first(error)}.") from error
    if shape != (2, dimensions):
        raise ConfigError(
            f"--backbone {name}: gives {shape} from 2 images of {side} px, but (2, {dimensions}) is wanted: let it "
            "take its dimensions."
        )
    return net.train()


def _imported(name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    added = os.getcwd()
    sys.path.append(added)
    try:
        made: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            made = getattr(made, part)
    except Exception as error:  # whatever the module does while it is imported
        raise ConfigError(f"--backbone {name}: cannot be imported: {_first(error)}.") from error
    finally:
        sys.path.remove(added)
    if not callable(made):
        raise ConfigError(f"--backbone {name}: is a {type(made).__name__}, but a callable is wanted.")
    return made


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
