"""The tables, the picture and the page of learning.py, from its results as JSON.

A difference of two rows is taken seed by seed. Its interval is Student's, of 95 %, over the seeds of training: it says
how much of the difference is chance of initialisation and batches, on these data and this pretrained network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from learning_picture import picture
from learning_rates import CHOSEN_BY, best_rate
from learning_rows import Form, rows_of
from scipy import stats

from masksynth.files import write_bytes

Results = dict[str, Any]
PLACES = (
    ("masked", "rank1", "rank-1"), ("masked", "vr@0.01", "VR@1 %"), ("masked", "vr@0.001", "VR@0.1 %"),
    ("shared", "rank1", "training masks rank-1"), ("unmasked", "rank1", "unmasked rank-1"),
    ("vis", "rank1", "VIS–VIS rank-1"),
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Two rows whose difference says something."""

    ahead: str  # in the paper, or by what we would expect where the paper has no such pair
    of: str
    paper: str = ""  # by how much there, in percent of probes at rank 1


RELEASED = "HSST (softmax), batch-norm as released"
PAIRS = (
    Pair("softmax", "softmax, trained without masks", "far ahead"),
    Pair("AM-softmax", "softmax", "+1.2"),
    Pair("Arc-softmax", "softmax", "+0.8"),
    Pair("triplet", "softmax", "+3.6"),
    Pair("IDR", "softmax", "+1.8"),
    Pair("W-CNN", "IDR", "+1.2"),
    Pair("HSST (softmax)", "softmax", "+4.1; MobileFaceNet +9.7"),
    Pair("HSST (softmax)", "softmax, as many images as HSST"),
    Pair("HSST (AM-softmax)", "AM-softmax", "+3.5"),
    Pair("HSST (Arc-softmax)", "Arc-softmax", "+3.6"),
    Pair("HSST (triplet)", "triplet", "+1.2"),
    Pair("HSST (softmax)", RELEASED),
)


@dataclass(frozen=True)
class Difference:
    """Of two rows, over the seeds that both have."""

    n: int
    mean: float
    half: float  # of the interval; NaN with fewer than two seeds

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval is on one side of 0, else 0."""
        return 0 if not abs(self.mean) > self.half else int(math.copysign(1, self.mean))


def tested_runs(results: Results) -> dict[str, dict[int, dict[str, Any]]]:
    """Row → seed → its run with the chosen learning rate, in the order of the benchmark's rows."""
    tried: dict[str, list[dict[str, Any]]] = {}
    for run in results["runs"]:
        if run["seed"] == CHOSEN_BY and "beside" not in run:
            tried.setdefault(run["row"], []).append(run)
    chosen = {row: best_rate(runs) for row, runs in tried.items()}
    rows: dict[str, dict[int, dict[str, Any]]] = {}
    for run in results["runs"]:
        if run.get("test") is not None and run["lr"] == chosen.get(run["row"]):
            rows.setdefault(run["row"], {})[run["seed"]] = run
    return {name: rows[name] for name in rows_of(Form(**{**results["settings"], "rows": ()})) if name in rows}


def values(runs: dict[int, dict[str, Any]], probes: str, figure: str, of: str = "test") -> dict[int, float]:
    """Seed → a figure in percent."""
    return {seed: 100 * run[of][probes][figure] for seed, run in sorted(runs.items()) if of in run}


def difference(a: dict[int, float], b: dict[int, float]) -> Difference | None:
    """a - b over the common seeds; None without any."""
    seeds = sorted(set(a) & set(b))
    if not seeds:
        return None
    d = np.array([a[s] - b[s] for s in seeds])
    n = len(d)
    half = float(stats.t.ppf(0.975, n - 1) * d.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    return Difference(n, float(d.mean()), half)


def spread(x: dict[int, float]) -> str:
    mean = f"{np.mean(list(x.values())):.1f}"
    return f"{mean} ± {np.std(list(x.values()), ddof=1):.1f}" if len(x) > 1 else mean


def in_words(d: Difference | None) -> str:
    if d is None:
        return "–"
    return f"{d.mean:+.1f}" + (f" ± {d.half:.1f}" if d.n > 1 else "")


def markdown(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def figures_table(results: Results) -> str:
    """Means and standard deviations (n - 1) over seeds, in percent."""
    before = [f"{100 * results['pretrained'][probes][figure]:.1f}" for probes, figure, _ in PLACES]
    lines = [["pretrained only", "–", "–", *before]]
    for name, runs in tested_runs(results).items():
        rates = sorted({run["lr"] for run in runs.values()})
        cells = [spread(values(runs, probes, figure)) for probes, figure, _ in PLACES]
        lines.append([name, ", ".join(f"{lr:g}" for lr in rates), str(len(runs)), *cells])
    return markdown(["row", "lr", "n", *(name for _, _, name in PLACES)], lines)


def shown_pairs(results: Results) -> list[tuple[Pair, Difference]]:
    """The pairs of which both rows are there, with the difference in masked rank-1."""
    rows = tested_runs(results)
    out = []
    for pair in PAIRS:
        a, b = (values(rows.get(name, {}), "masked", "rank1") for name in (pair.ahead, pair.of))
        d = difference(a, b)
        if d is not None:
            out.append((pair, d))
    return out


def differences_table(results: Results) -> str:
    """Every pair that is there: paired differences in percent, and how the first stands to the paper."""
    rows, lines = tested_runs(results), []
    for pair, rank1 in shown_pairs(results):
        more = [
            difference(values(rows[pair.ahead], p, f), values(rows[pair.of], p, f))
            for p, f in (("masked", "vr@0.01"), ("vis", "rank1"))
        ]
        lines.append(
            [
                named(pair),
                str(rank1.n),
                *map(in_words, [rank1, *more]),
                pair.paper,
                verdict(rank1, pair),
            ]
        )
    head = ["difference", "n", "masked rank-1", "masked VR@1 %", "VIS–VIS rank-1", "paper, rank-1", "rank-1 here"]
    return markdown(head, lines)


def named(pair: Pair) -> str:
    return f"{pair.ahead} − {pair.of}"


def gallery_table(results: Results) -> str:
    """The gallery-net in the probe-net's place, paired."""
    lines = []
    for name, runs in tested_runs(results).items():
        cells = []
        for probes, figure, _ in PLACES:
            a, b = (values(runs, probes, figure, of) for of in ("test_gallery_net", "test"))
            cells.append(in_words(difference(a, b)))
        if any("test_gallery_net" in run for run in runs.values()):
            lines.append([name, str(len(runs)), *cells])
    return markdown(["row", "n", *(name for _, _, name in PLACES)], lines)


def tried_table(results: Results) -> str:
    """Runs of no row of the benchmark, each against the row that it was tried beside, paired."""
    rows, lines = tested_runs(results), []
    tried: dict[str, dict[int, dict[str, Any]]] = {}
    for run in results["runs"]:
        if "beside" in run and run.get("test") is not None:
            tried.setdefault(run["row"], {})[run["seed"]] = run
    for name, runs in sorted(tried.items()):
        for beside in next(iter(runs.values()))["beside"].split("; "):
            pairs = [
                difference(values(runs, probes, figure), values(rows.get(beside, {}), probes, figure))
                for probes, figure, _ in PLACES
            ]
            if pairs[0] is not None:
                lines.append([f"{name} − {beside}", str(pairs[0].n), *map(in_words, pairs)])
    return markdown(["tried and left out", "n", *(name for _, _, name in PLACES)], lines) if lines else ""


def beyond(results: Results) -> str:
    """What became of the other ideas."""
    edgeface = "A backbone of EdgeFace's size has not been measured."
    if not (tried := tried_table(results)):
        return f"No loss beyond the paper's has been measured, nor self-distillation against forgetting. {edgeface}"
    adaface = (
        "*AdaFace* (Kim, Jain, Liu, CVPR 2022) has a margin that goes by the lengths of features; its own scale of\n"
        "64 is for millions of photos. It took the place of plain training's loss, at the rate that was best for it\n"
        "(0.2), and was left out, since what it makes better may as well be chance."
    )
    distilled = (
        "*VIS features kept by w* is self-distillation against the forgetting of VIS: w (1 − cosine) between each VIS\n"
        "feature and the starting network's is added to the loss."
    )
    return f"{tried}\n{adaface}\n\n{distilled}\n{edgeface}"


def rates_table(results: Results) -> str:
    """Rank-1 of the validation persons by learning rate, with the seed it is chosen by."""
    lrs = sorted({run["lr"] for run in results["runs"]} | set(results["settings"]["lrs"]))
    chosen = {row: next(iter(runs.values()))["lr"] for row, runs in tested_runs(results).items()}
    found: dict[str, dict[float, str]] = {}
    for run in results["runs"]:
        if run["seed"] == CHOSEN_BY and "beside" not in run:
            mark = "**" if run["lr"] == chosen.get(run["row"]) else ""
            text = "no number" if run["validation"] is None else f"{100 * run['validation']['rank1']:.1f}"
            found.setdefault(run["row"], {})[run["lr"]] = f"{mark}{text}{mark}"
    names = [name for name in rows_of(Form(**{**results["settings"], "rows": ()})) if name in found]
    return markdown(
        ["row", *(f"{lr:g}" for lr in lrs)], [[name, *(found[name].get(lr, "–") for lr in lrs)] for name in names]
    )


def verdict(d: Difference, pair: Pair) -> str:
    """How a difference stands to the paper's, whose first row of a pair is always ahead. Two seeds that happen to agree
    give an interval of nothing, so that they say nothing."""
    if d.n < 3:
        return "one seed" if d.n == 1 else "two seeds"
    if not d.sign:
        return "open"
    if not pair.paper:
        return "ahead" if d.sign > 0 else "behind"
    return "as in the paper" if d.sign > 0 else "contradicts the paper"


def costs(results: Results) -> str:
    """Processor hours of the forms, as learning.py cost estimates them."""
    lines = []
    for name, parts in results.get("costs", {}).items():
        each = [parts["data"], parts["pretraining"], parts["training"]]
        lines.append([name, f"{parts['runs']:g}", *(f"{x / 3600:.2f}" for x in [*each, sum(each)])])
    return markdown(["form", "runs", "data, h", "pretraining, h", "training, h", "in all, h"], lines) if lines else ""


def hours(results: Results) -> tuple[float, int]:
    """Processor hours of all runs, and how many they are."""
    return sum(run["cpu_seconds"] for run in results["runs"]) / 3600, len(results["runs"])


PAGE = Path(__file__).with_suffix(".md")  # the words, with places for what is found


def write_page(results: Results, page: Path) -> None:
    """The page, and its picture in pictures/ beside it."""
    form, machine = results["settings"], results["machine"]
    pairs = shown_pairs(results)
    against = [f"{named(pair)}: {in_words(d)} (n = {d.n}, {verdict(d, pair)})" for pair, d in pairs if d.mean < 0]
    missing = [name for name in rows_of(Form(**form)) if name not in tested_runs(results)]
    spent, runs = hours(results)
    seeds = sorted({len(runs_) for runs_ in tested_runs(results).values()})
    picture_path = page.parent / "pictures" / "results.svg"
    bars = [(named(pair), d.mean, d.half, d.n) for pair, d in pairs]
    dots = {name: list(values(r, "masked", "rank1").values()) for name, r in tested_runs(results).items()}
    before = 100 * results["pretrained"]["masked"]["rank1"]
    write_bytes(picture_path, picture(dots, before, bars).encode())
    words = {
        "form": results["form"],
        "machine": f"{machine['processor']}, {machine['threads']} thread",
        "versions": f"masksynth {machine['masksynth']}, torch {machine['torch']}",
        "spent": spent,
        "runs": runs,
        "seeds": " to ".join(dict.fromkeys(str(k) for k in (seeds[0], seeds[-1]))) if seeds else "none",
        "seeds_planned": form["seeds"],
        "probe_images": form["test_people"] * form["probes"],
        "error": 50 / math.sqrt(form["test_people"] * form["probes"]),
        "rates": ", ".join(f"{lr:g}" for lr in form["lrs"]),
        "figures": figures_table(results),
        "differences": differences_table(results),
        "chosen": rates_table(results),
        "gallery": gallery_table(results),
        "beyond": beyond(results),
        "costs": costs(results),
        "against": "\n".join(f"- {line}" for line in against) or "Nothing.",
        "missing": f"No seed is done yet of: {'; '.join(missing)}." if missing else "",
    }
    text = PAGE.read_text(encoding="utf-8").format(**{**form, **words})
    write_bytes(page, text.encode())
