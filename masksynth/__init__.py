"""Masked near-infrared faces from real masks.

Photo → mask template in UV space → NIR-VIS data set with masked faces → trained and evaluated network, after "Towards
NIR-VIS Masked Face Recognition" (Du, Shi, Liu, Zeng, Mei; IEEE Signal Processing Letters, 2021). The rooms of the
package are the steps of that walk; see docs/design.md.
"""

__version__ = "0.1.0"
