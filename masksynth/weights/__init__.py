"""Network files: which exist, fetch, import, verify, locate."""

from masksynth.weights.locate import import_network, locate, state
from masksynth.weights.registry import NETWORKS, KnownNetwork, known

__all__ = ["NETWORKS", "KnownNetwork", "import_network", "known", "locate", "state"]
