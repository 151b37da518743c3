"""A whole data set: plan → parts → one file, on any number of workers, with the same bytes."""

from masksynth.batch.config import BatchConfig
from masksynth.batch.plan import Plan, make_plan
from masksynth.batch.run import Progress, Share, Summary, assemble_plan, run_plan, run_share

__all__ = [
    "BatchConfig",
    "Plan",
    "Progress",
    "Share",
    "Summary",
    "assemble_plan",
    "make_plan",
    "run_plan",
    "run_share",
]
