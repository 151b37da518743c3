"""Runs as a user has them: they learn, resume to the same losses, stop at NaN, and never overwrite other work."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pattern_faces import interrupted, pattern_fold, write_pattern_store

from masksynth.cli.main import main
from masksynth.errors import ConfigError, TrainingError
from masksynth.store import open_store
from masksynth.train.augment import InputFormat
from masksynth.train.batches import PairBatches
from masksynth.train.config import HsstConfig
from masksynth.train.fold import make_fold
from masksynth.train.hsst import Hsst
from masksynth.train.networks import NetworkInfo, build, load_network
from masksynth.train.run import RunFolder, newest_run
from masksynth.train.sampler import PairSampler
from masksynth.train.start import read_fold, train_hsst

SMALL = HsstConfig(width=0.25, dimensions=32, batch=4, queue=8, iterations=8, lr=0.01)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def store(tmp_path):
    return write_pattern_store(tmp_path / "masked.h5")


def fit_patterns(folder, config, *, stop_after=None, fold=None):
    fold = fold or pattern_fold()
    info = NetworkInfo(arch="mobilefacenet", side=fold.side, dimensions=config.dimensions, width=config.width)
    torch.manual_seed(config.seed)
    method = Hsst(build(info), config)
    sampler = PairSampler(
        fold.nir_identity, fold.vis_identity, batch=config.batch, queue=config.queue, seed=config.seed
    )
    batches = PairBatches(
        fold, sampler, InputFormat(side=fold.side), augment=config.augment, seed=config.seed, device=torch.device("cpu")
    )
    run = RunFolder(folder)
    folder.mkdir(exist_ok=True)
    return interrupted(run, method, batches, config, info, stop_after)


def test_training_lowers_the_loss_and_raises_the_bound(tmp_path):
    config = dataclasses.replace(SMALL, iterations=50, lr=0.02, scale=10.0, augment="none")
    run, _ = fit_patterns(tmp_path / "run", config)
    log = run.read_log()
    first, last = (np.mean([float(r["loss"]) for r in part]) for part in (log[:10], log[-10:]))
    assert last < 0.5 * first
    assert float(log[-1]["bound_nir"]) > float(log[0]["bound_nir"])
    assert all(float(r["collisions"]) == 0 for r in log)


def test_interrupted_run_goes_on_to_the_same_losses_and_weights(tmp_path):
    whole, a = fit_patterns(tmp_path / "whole", SMALL)
    fit_patterns(tmp_path / "parts", SMALL, stop_after=5)
    parts, b = fit_patterns(tmp_path / "parts", SMALL)
    columns = ("iteration", "lr", "loss", "bound_vis", "gallery_distance")
    assert [[r[c] for c in columns] for r in whole.read_log()] == [[r[c] for c in columns] for r in parts.read_log()]
    for name, tensor in a.state_dict().items():
        assert torch.equal(tensor, b.state_dict()[name]), name


def test_lines_logged_after_the_last_checkpoint_are_not_logged_twice(tmp_path):
    run, _ = fit_patterns(tmp_path / "run", SMALL, stop_after=5)
    run.log({**dict.fromkeys(run.read_log()[0], 0.0), "iteration": 6})  # killed between logging and saving
    with open(run.log_path, "a") as file:
        file.write("7,0.01")  # and in the middle of a line
    run, _ = fit_patterns(tmp_path / "run", SMALL)
    assert [int(r["iteration"]) for r in run.read_log()] == list(range(1, 9))


def test_line_that_a_killed_run_cut_short_spoils_no_other(tmp_path):
    run, _ = fit_patterns(tmp_path / "run", SMALL, stop_after=5)
    with open(run.log_path, "a") as file:
        file.write("6,0.01")  # nothing logged is to be dropped, but for this half of a line
    run, _ = fit_patterns(tmp_path / "run", SMALL)
    assert [int(r["iteration"]) for r in run.read_log()] == list(range(1, 9))


def test_json_log_says_what_the_csv_says(tmp_path):
    fit_patterns(tmp_path / "run", SMALL, stop_after=5)
    run, _ = fit_patterns(tmp_path / "run", SMALL)
    lines = [json.loads(line) for line in run.json_log_path.read_text().splitlines()]
    assert lines == [{k: float(v) for k, v in row.items()} for row in run.read_log()]
    assert lines[0]["iteration"] == 1


def test_compiled_networks_come_to_the_same_losses(store, tmp_path, monkeypatch):
    whole = torch.nn.Module.compile
    compiled = []

    def traced(net):  # the graph of the whole network, run without a compiler of C++
        compiled.append(net)
        whole(net, backend="eager", fullgraph=True)

    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    config = dataclasses.replace(SMALL, iterations=2)
    logs = []
    for name in ("eager", "compiled"):
        done = train_hsst(store, config, out=tmp_path / name, device="cpu", compiled=name == "compiled")
        logs.append([float(row["loss"]) for row in done.run.read_log()])
    assert len(compiled) == 2  # probe-net and gallery-net
    assert logs[0] == pytest.approx(logs[1], rel=1e-3)
    assert done.run.read_config()["compiled"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
@pytest.mark.slow  # a graph is traced before a compiler is missed
def test_without_a_compiler_compiling_is_refused_in_one_sentence(store, tmp_path, monkeypatch):
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "/none/g++"))
    config = dataclasses.replace(SMALL, iterations=2)
    with pytest.raises(TrainingError, match=r"--compile: torch.compile does not work here .*Install a C\+\+ compiler"):
        train_hsst(store, config, out=tmp_path / "run", device="cpu", compiled=True)


def test_loss_that_is_not_finite_stops_with_the_iteration_and_keeps_the_batch(tmp_path):
    with pytest.raises(TrainingError, match=r"loss of iteration \d+ is (nan|inf)"):
        fit_patterns(tmp_path / "run", dataclasses.replace(SMALL, lr=1e30))
    kept = torch.load(tmp_path / "run" / "bad_batch.pt", weights_only=True)
    assert kept["nir"].shape == (4, 3, 32, 32)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_damaged_checkpoint_is_one_sentence(tmp_path):
    run, _ = fit_patterns(tmp_path / "run", SMALL, stop_after=1)
    run.checkpoint_path.write_bytes(run.checkpoint_path.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="the checkpoint cannot be used"):
        fit_patterns(tmp_path / "run", SMALL)


def test_checkpoint_that_would_run_code_is_refused(tmp_path):
    run, _ = fit_patterns(tmp_path / "run", SMALL, stop_after=1)

    class Evil:
        def __reduce__(self):
            return (print, ("executed",))

    torch.save({"iteration": Evil()}, run.checkpoint_path)
    with pytest.raises(TrainingError, match="the checkpoint cannot be used"):
        fit_patterns(tmp_path / "run", SMALL)


def test_run_folder_holds_what_the_docs_say(store, tmp_path):
    said = []
    done = train_hsst(store, SMALL, out=tmp_path / "run", device="cpu", say=said.append)
    assert {p.name for p in done.run.path.iterdir()} == {
        "config.json",
        "log.csv",
        "log.jsonl",
        "checkpoint.pt",
        "probe.safetensors",
    }
    written = done.run.read_config()
    assert written["finished"]
    assert written["start"] == "from scratch"
    assert written["settings"]["protocol"] == "fold01"
    assert written["settings_used"]["momentum"] == pytest.approx(SMALL.gallery_momentum)
    assert written["data"]["identities"] == 12
    assert any("from scratch" in text for text in said)
    net, info = load_network(done.run.path)
    assert info.origin == "from scratch"
    assert "8 iterations" in info.trained
    assert not net.training


def test_too_few_identities_shrink_the_queue_with_one_note_that_the_run_keeps(store, tmp_path):
    said = []
    done = train_hsst(
        store, dataclasses.replace(SMALL, queue=32, iterations=2), out=tmp_path / "run", device="cpu", say=said.append
    )
    notes = [text for text in said if "too few" in text]
    assert notes == ["12 identities are too few for a batch of 4 and a queue of 32 (36 needed); using batch 4, queue 8"]
    assert notes[0] in done.run.read_config()["notes"]
    assert done.run.read_config()["settings_used"]["queue"] == 8


def test_same_command_goes_on_and_a_finished_run_is_left_alone(store, tmp_path):
    first = train_hsst(store, SMALL, out=tmp_path / "run", device="cpu")
    before = first.run.network_path.read_bytes()
    again = train_hsst(store, SMALL, out=tmp_path / "run", device="cpu")
    assert again.already_done
    assert again.run.network_path.read_bytes() == before


def test_other_settings_never_overwrite_a_run(store, tmp_path):
    train_hsst(store, dataclasses.replace(SMALL, iterations=1), out=tmp_path / "run", device="cpu")
    with pytest.raises(ConfigError, match="other settings, data or start"):
        train_hsst(store, SMALL, out=tmp_path / "run", device="cpu")
    other = tmp_path / "letters"
    other.mkdir()
    (other / "dear.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="is no training run"):
        train_hsst(store, SMALL, out=other, device="cpu")
    forced = train_hsst(store, SMALL, out=tmp_path / "run", device="cpu", force=True)
    assert len(forced.run.read_log()) == 8


def test_fine_tuning_starts_from_the_weights_and_says_so(store, tmp_path):
    start = train_hsst(store, SMALL, out=tmp_path / "a", device="cpu")
    config = dataclasses.replace(SMALL, iterations=1, lr=1e-12)
    tuned = train_hsst(store, config, out=tmp_path / "b", init=start.run.path, device="cpu")
    a, b = (load_network(run.path)[0].conv1.conv.weight for run in (start.run, tuned.run))
    torch.testing.assert_close(a, b)
    assert load_network(tuned.run.path)[1].origin.startswith("a (hsst softmax")
    with pytest.raises(ConfigError, match=r"width 0\.25"):
        train_hsst(store, HsstConfig(), out=tmp_path / "c", init=start.run.path, device="cpu")


def test_training_without_masks_reads_the_clean_crops(store):
    with open_store(store) as opened:
        masked, clean = (read_fold(opened, "fold01", nir=kind) for kind in ("masked", "clean"))
    assert (masked.nir[:, 20:] == 200).all()
    assert not (clean.nir[:, 20:] == 200).all()
    assert (masked.nir[:, :20] == clean.nir[:, :20]).all()


def test_newest_run_is_found_by_the_plan_of_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = write_pattern_store(tmp_path / "masked.h5", plan="p1")
    two = write_pattern_store(tmp_path / "other.h5", plan="p2")
    quick = dataclasses.replace(SMALL, iterations=1)
    train_hsst(one, quick, device="cpu")
    late = train_hsst(one, dataclasses.replace(quick, seed=1), device="cpu")
    train_hsst(two, quick, device="cpu")
    assert newest_run(one, "p1").path == late.run.path
    assert late.run.path.parent.name == "runs"
    assert late.run.path.name.startswith("masked-")
    with pytest.raises(TrainingError, match="no training run on this file"):
        newest_run(one, "p3")


def test_what_cannot_be_trained_leaves_no_folder(tmp_path):
    write_pattern_store(tmp_path / "m.h5", train=3)
    with pytest.raises(TrainingError, match="only 3 identities"):
        train_hsst(tmp_path / "m.h5", HsstConfig(iterations=2, batch=2, queue=4, width=0.25), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_identities_without_both_spectra_are_left_out_by_name():
    nir, vis = np.zeros((3, 32, 32), np.uint8), np.zeros((3, 32, 32, 3), np.uint8)
    fold = make_fold(nir, ["a", "b", "c"], vis, ["b", "c", "d"])
    assert fold.subjects == ("b", "c")
    assert fold.left_out == ("a", "d")
    assert (len(fold.nir), len(fold.vis)) == (2, 2)
    with pytest.raises(TrainingError, match="no identity has both"):
        make_fold(nir, ["a", "b", "c"], vis, ["x", "y", "z"])


def test_commands_train_and_measure_as_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pattern_store(tmp_path / "masked.h5", lost=2)
    options = ["--iterations", "4", "--batch", "4", "--width", "0.25", "--device", "cpu"]
    trained = CliRunner().invoke(main, ["train-hsst", "masked.h5", *options])
    assert trained.exit_code == 0, trained.output
    assert "no --init: training from scratch" in trained.output
    assert "next: masksynth evaluate masked.h5" in trained.output
    measured = CliRunner().invoke(main, ["evaluate", "masked.h5"])
    assert measured.exit_code == 0, measured.output
    assert "from scratch" in measured.output
    lines = [line for line in measured.output.splitlines() if line.startswith("fold0")]
    trained_on = [["fold01", "masked", "18", "2"], ["fold01", "unmasked", "18", "2"]]
    assert [line.split()[:4] for line in lines] == trained_on
    everything = CliRunner().invoke(main, ["evaluate", "masked.h5", "--protocol", "all", "--json", "all.json"])
    assert "in the other protocols some of its training people are probes" in everything.output
    lines = [line for line in everything.output.splitlines() if line.startswith("fold0")]
    assert [line.split()[0] for line in lines] == ["fold01", "fold01", "fold02", "fold02"]
    (written,) = tmp_path.glob("runs/*/evaluation.json")
    result = json.loads(written.read_text())["protocols"]["fold01"]["masked"]
    assert result["rank1"]["rate"] == pytest.approx(result["rank1"]["correct"] / 20)
    assert result["rank1"]["rate_present"] == pytest.approx(result["rank1"]["correct"] / 18)
    assert result["verification"][0]["missing"] == 2
    assert result["verification"][0]["genuine"] == 18
    assert result["verification"][0]["impostor"] == 18 * 5


def test_command_says_in_one_line_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pattern_store(tmp_path / "masked.h5")
    for arguments, code, words in [
        (["train-hsst", "absent.h5"], 1, "there is no such file"),
        (["train-hsst", "masked.h5", "--protocol", "fold99"], 1, "there is no protocol 'fold99'"),
        (["train-hsst", "masked.h5", "--batch", "3", "--queue", "4"], 2, "multiple of batch"),
        (["train-hsst", "masked.h5", "--init", "absent.safetensors"], 1, "no such file of weights"),
        (["train-hsst", "masked.h5", "--device", "abacus"], 2, "the device 'abacus' cannot be used"),
        (["evaluate", "masked.h5"], 1, "no training run on this file"),
    ]:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output
        assert words in result.output
        assert "Traceback" not in result.output
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_run_that_was_killed_goes_on_from_its_last_checkpoint_to_the_same_losses(tmp_path):
    write_pattern_store(tmp_path / "masked.h5")
    code = "import masksynth.train.loop as l; l.SAVE_SECONDS = 0.5; from masksynth.cli.main import main; main()"
    options = ["--iterations", "60", "--batch", "4", "--width", "0.25", "--device", "cpu"]

    def command(out):
        return [sys.executable, "-c", code, "train-hsst", "masked.h5", *options, "-o", out]

    work = subprocess.Popen(command("killed"), cwd=tmp_path, stderr=subprocess.DEVNULL)
    while not (tmp_path / "killed" / "checkpoint.pt").is_file() and work.poll() is None:
        time.sleep(0.02)
    work.kill()
    assert work.wait() == -signal.SIGKILL
    for out in ("killed", "whole"):
        subprocess.run(command(out), cwd=tmp_path, check=True, capture_output=True, timeout=300)
    logs = [RunFolder(tmp_path / out).read_log() for out in ("killed", "whole")]
    same = ("iteration", "loss", "bound_nir", "gallery_distance")
    assert [[row[k] for k in same] for row in logs[0]] == [[row[k] for k in same] for row in logs[1]]


def test_notice_of_the_system_saves_and_the_same_command_goes_on(tmp_path):
    write_pattern_store(tmp_path / "masked.h5")
    options = ["--iterations", "100000", "--batch", "4", "--width", "0.25", "--device", "cpu", "-o", "run"]
    command = [sys.executable, "-m", "masksynth", "train-hsst", "masked.h5", *options]
    work = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "run" / "log.csv"
    while not log.is_file() and work.poll() is None:
        time.sleep(0.1)
    work.send_signal(signal.SIGTERM)
    _, said = work.communicate(timeout=300)
    assert work.returncode == 130, said
    assert "what was trained is saved" in said
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["iteration"] >= 50
    assert saved["batches"]["iteration"] == saved["iteration"]  # at the end of an iteration, not in its middle
    assert int(saved["method"]["index"]) == saved["iteration"] * 4 % 8
