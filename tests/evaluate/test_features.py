"""Features of other networks, from good files and from bad ones."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import numpy as np
import pytest

from masksynth.errors import EvaluationError, ShapeError
from masksynth.evaluate.features import evaluate_features

RNG = np.random.default_rng(0)
LABELS = np.arange(12) % 4
GOOD = {
    "probe": RNG.normal(size=(12, 8)),
    "probe_labels": LABELS,
    "gallery": RNG.normal(size=(4, 8)),
    "gallery_labels": np.arange(4),
}


def changed(key, at, value):
    array = np.array(GOOD[key], np.float64)
    array[at] = value
    return {**GOOD, key: array}


def write(path, values):
    np.savez(path, **values)
    return path


@pytest.mark.parametrize("kind", [str, "S3", float, np.uint8])
def test_labels_of_any_plain_kind_give_the_same_figures(tmp_path, kind):
    other = {k: v.astype(kind) if "labels" in k else v for k, v in GOOD.items()}
    figures = [
        evaluate_features(write(tmp_path / f"{n}.npz", v)).identification for n, v in (("a", GOOD), ("b", other))
    ]
    assert figures[0] == figures[1]


def test_length_of_a_feature_never_matters(tmp_path):
    lengths = np.array([1e200, 1e-200, 5e-324, 1e300, 1.0, 2.0] * 2)[:, None]
    unit = GOOD["probe"] / np.abs(GOOD["probe"]).max(axis=1, keepdims=True)
    stretched = {**GOOD, "probe": unit * np.where(lengths == 5e-324, 1e-300, lengths)}
    a, b = (evaluate_features(write(tmp_path / f"{n}.npz", v)) for n, v in (("a", GOOD), ("b", stretched)))
    assert a.identification == b.identification


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        (changed("probe", (3, 2), np.nan), EvaluationError, "the probe feature of row 3 is not finite"),
        (changed("probe", (3, 2), np.inf), EvaluationError, "the probe feature of row 3 is not finite"),
        (changed("gallery", 2, 0.0), EvaluationError, "the gallery feature of row 2 is zero"),
        ({"probe": GOOD["probe"]}, EvaluationError, "lacks probe_labels, gallery, gallery_labels; it has probe"),
        ({**GOOD, "probe_labels": LABELS[:-1]}, ShapeError, r"probe is \(12, 8\) and probe_labels \(11,\)"),
        ({**GOOD, "probe_labels": LABELS[:, None]}, ShapeError, r"probe_labels is \(12, 1\) int64"),
        ({**GOOD, "probe_labels": LABELS + 0.5}, ShapeError, "a vector of integers or strings is wanted"),
        ({**GOOD, "probe_labels": LABELS.astype(str)}, EvaluationError, "probe_labels are strings, gallery_labels are"),
        ({**GOOD, "missing_probe_labels": np.array(["a"])}, EvaluationError, "so that they never match"),
        ({**GOOD, "gallery": GOOD["gallery"][:, :5]}, ShapeError, "have 8 numbers each, gallery features 5"),
        ({**GOOD, "probe": GOOD["probe"].astype(complex)}, ShapeError, "a matrix of numbers"),
        ({**GOOD, "probe_labels": LABELS * 1e300}, EvaluationError, "probe_labels holds labels beyond"),
        ({**GOOD, "gallery_labels": np.arange(4, dtype=np.uint64) + np.uint64(2**63)}, EvaluationError, "Give strings"),
        ({**GOOD, "probe_labels": LABELS + 1}, EvaluationError, "the gallery lacks the identity of"),
    ],
)
def test_bad_contents_are_one_sentence_that_names_the_file(tmp_path, values, error, words):
    with pytest.raises(error, match=rf"x\.npz: .*{words}"):
        evaluate_features(write(tmp_path / "x.npz", values))


def test_pickled_objects_are_never_read(tmp_path):
    class Evil:
        def __reduce__(self):
            return (pytest.fail, ("executed",))

    write(tmp_path / "x.npz", {**GOOD, "probe_labels": np.array([Evil()] * 12, object)})
    with pytest.raises(EvaluationError, match=r"x\.npz: .*it holds pickled objects"):
        evaluate_features(tmp_path / "x.npz")


@pytest.mark.parametrize("form", ["absent", "folder", "empty", "noise", "npy", "cut", "flipped", "header"])
def test_files_of_other_kinds_are_one_sentence(tmp_path, form):
    path = tmp_path / "x.npz"
    whole = write(tmp_path / "good.npz", GOOD).read_bytes()
    if form == "folder":
        path.mkdir()
    elif form == "npy":
        with open(path, "wb") as file:
            np.save(file, GOOD["probe"])
    elif form == "header":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("probe.npy", b"\x93NUMPY\x01\x00\x10\x00{broken")
    elif form != "absent":
        damaged = {"empty": b"", "noise": b"noise", "cut": whole[: len(whole) // 2]}
        path.write_bytes(damaged.get(form, whole[:200] + bytes([whole[200] ^ 255]) + whole[201:]))
    with pytest.raises(EvaluationError, match=r"x\.npz: "):
        evaluate_features(path)


def test_torch_is_not_needed(tmp_path):
    write(tmp_path / "x.npz", GOOD)
    code = (
        "import sys; sys.modules['torch'] = None; from masksynth.cli.main import main;"
        "main(['evaluate', '--features', 'x.npz', '--json', 'f.json', '--plot', 'p.svg'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.svg").is_file()
