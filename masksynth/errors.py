"""Every error that masksynth raises on purpose.

A message is one clear sentence: which file, what happened, the value seen and the value wanted, what to do. The command
line turns any of these into that one message and an exit code; the library raises them.
"""


class MasksynthError(Exception):
    """Base of all. ``exit_code`` is what the command line answers with: 1 the work failed, 2 wrong usage."""

    exit_code = 1


class ConfigError(MasksynthError, ValueError):
    """A setting, option or configuration file has a value that cannot be used."""

    exit_code = 2


class ShapeError(MasksynthError, ValueError):
    """An array has not the shape, dtype or range that a function asks for."""


class PhotoError(MasksynthError, ValueError):
    """A photo cannot be read: missing, not an image, truncated, too small, or a decompression bomb."""


class OutputError(MasksynthError, OSError):
    """A file cannot be written: no such folder, no permission, disk full, or it exists and was not to be replaced."""


class NoFaceError(MasksynthError, ValueError):
    """No face was found in a photo, or the one asked for is not there."""


class TemplateError(MasksynthError, ValueError):
    """A mask template is missing or is not in the UV layout."""


class SegmentationError(MasksynthError, ValueError):
    """No mask can be told from the face in a photo."""


class WeightsError(MasksynthError, RuntimeError):
    """A network file is missing, cannot be fetched, or is not the file it should be."""


class DatasetError(MasksynthError, ValueError):
    """A data set on disk, its protocol files or a manifest is not as it must be."""


class StoreError(MasksynthError, ValueError):
    """An HDF5 file is not of the schema, is incomplete, or holds other work than was asked for."""


class BatchError(MasksynthError, RuntimeError):
    """A run over a data set cannot go on: workers that do not start, another run at the same output, parts missing."""


class TrainingError(MasksynthError, RuntimeError):
    """Training cannot start or go on: too few identities, a loss that is not finite, an unreadable checkpoint."""


class EvaluationError(MasksynthError, ValueError):
    """Scores or features cannot be evaluated: no genuine pair, not finite, or labels that do not match."""


def counted(number: int, one: str, many: str = "") -> str:
    """``1 photo`` or ``1,024 photos``; `many` where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
