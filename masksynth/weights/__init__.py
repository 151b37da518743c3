"""Network files: which exist, fetch, import, verify, locate."""

from masksynth.weights.locate import fetch_network, import_network, locate, state
from masksynth.weights.registry import NETWORKS, KnownNetwork, known

__all__ = ["NETWORKS", "KnownNetwork", "fetch_network", "import_network", "known", "locate", "state"]
