"""PRNet's weights come in from both published forms, and nothing else does."""

import hashlib
import json
import shutil
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from prnet_files import arrays_of, random_network, write_index_with_layout_of, write_pytorch, write_tensorflow

from masksynth.errors import WeightsError
from masksynth.reconstruct.prnet import PRNetConfig, PRNetReconstructor
from masksynth.reconstruct.prnet_import import gives_no_face, import_prnet
from masksynth.weights import known, locate, state
from masksynth.weights.crc32c import crc32c, unmasked
from masksynth.weights.fetch import file_sha256
from masksynth.weights.imported import PRNET_INDEX_SHA256, git_blob, origin, read_prnet
from masksynth.weights.prnet_layout import tensors
from masksynth.weights.tf_checkpoint import read_index


@pytest.fixture(scope="module")
def arrays():
    return arrays_of(random_network())


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, arrays):
    """The folder of a whole checkpoint named w; not to be written to."""
    folder = tmp_path_factory.mktemp("checkpoint")
    write_tensorflow(folder / "w", arrays)
    (folder / "w.meta").write_bytes(b"graph")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKSYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def same(found, arrays):
    return found.keys() == arrays.keys() and all(np.array_equal(found[k], arrays[k]) for k in arrays)


@pytest.mark.parametrize("whole", [True, False], ids=["336 entries", "used ones only"])
def test_pytorch_file_round_trip(tmp_path, arrays, whole):
    write_pytorch(tmp_path / "prnet.pth", arrays, whole)
    if whole:
        assert len(torch.load(tmp_path / "prnet.pth", weights_only=True)) == 336
    file = read_prnet(tmp_path / "prnet.pth")
    assert same(file.arrays, arrays)
    assert not file.genuine


@pytest.mark.parametrize("name", ["w", "w.index", "w.meta", "w.data-00000-of-00001", "."])
def test_checkpoint_round_trip_by_any_of_its_names(checkpoint, arrays, name):
    file = read_prnet(checkpoint / name)
    assert same(file.arrays, arrays)
    assert file.form == "TensorFlow checkpoint"


def test_a_folder_with_prnet_pth_is_as_good_as_the_file(tmp_path, checkpoint, arrays):
    with pytest.raises(WeightsError, match=r"holds neither prnet\.pth nor a checkpoint's \.index file"):
        read_prnet(tmp_path)
    write_pytorch(tmp_path / "prnet.pth", arrays, whole=False)
    (tmp_path / "faceboxes.pth").write_bytes(b"another network")
    assert same(read_prnet(tmp_path).arrays, arrays)
    shutil.copy(checkpoint / "w.index", tmp_path)
    with pytest.raises(WeightsError, match=r"holds w\.index, prnet\.pth\. Give the one"):
        read_prnet(tmp_path)


def test_a_folder_with_data_but_no_index_says_what_it_lacks(tmp_path, checkpoint):
    shutil.copy(checkpoint / "w.data-00000-of-00001", tmp_path)
    with pytest.raises(WeightsError, match=r"lacks the \.index file that belongs to w\.data-00000-of-00001"):
        read_prnet(tmp_path)


def test_checkpoint_that_tests_write_has_the_published_names_and_layout(checkpoint, test_data):
    ours = read_index(checkpoint / "w.index")
    theirs = read_index(test_data / "prnet_uv" / "256_256_resfcn256_weight.index")
    assert len(theirs) == 545
    assert {name: replace(e, checksum=0) for name, e in ours.items()} == {
        name: replace(e, checksum=0) for name, e in theirs.items()
    }
    assert (checkpoint / "w.data-00000-of-00001").stat().st_size == 160_290_984


def test_index_table_round_trip(tmp_path, test_data):
    index = test_data / "prnet_uv" / "256_256_resfcn256_weight.index"
    write_index_with_layout_of(index, read_index(index), tmp_path / "copy.index")
    assert read_index(tmp_path / "copy.index") == read_index(index)


def test_real_index_without_its_data_names_the_missing_file(test_data):
    with pytest.raises(WeightsError, match=r"256_256_resfcn256_weight\.data-00000-of-00001: is missing"):
        read_prnet(test_data / "prnet_uv" / "256_256_resfcn256_weight.index")


def test_short_data_file_is_named(tmp_path, checkpoint):
    shutil.copy(checkpoint / "w.index", tmp_path)
    with (tmp_path / "w.data-00000-of-00001").open("wb") as stream:
        stream.truncate((checkpoint / "w.data-00000-of-00001").stat().st_size - 1000)
    with pytest.raises(WeightsError, match=r"w\.data-00000-of-00001: is short"):
        read_prnet(tmp_path / "w.index")


@pytest.mark.parametrize("damage", ["cut", "magic", "text", "zeros"])
def test_damaged_index_is_named(tmp_path, checkpoint, damage):
    (tmp_path / "w.data-00000-of-00001").symlink_to(checkpoint / "w.data-00000-of-00001")
    index = tmp_path / "w.index"
    good = (checkpoint / "w.index").read_bytes()
    bad = {
        "cut": good[: len(good) // 2],
        "magic": good[:-1] + b"\0",
        "text": b"not a table at all",
        "zeros": b"\0" * 300 + good[-48:],
    }[damage]
    index.write_bytes(bad)
    with pytest.raises(WeightsError, match=r"w\.index"):
        read_prnet(index)


def test_damaged_index_never_raises_anything_else(tmp_path, checkpoint):
    good = (checkpoint / "w.index").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        bad = bytearray(good)
        for place in rng.integers(0, len(good) - 8, 5):
            bad[place] = rng.integers(256)
        (tmp_path / "w.index").write_bytes(bad)
        try:
            read_index(tmp_path / "w.index")
        except WeightsError:
            continue


def test_missing_tensor_wrong_shape_and_nan_are_named(tmp_path, arrays):
    path = tmp_path / "prnet.pth"
    write_pytorch(path, arrays)
    content = torch.load(path, weights_only=True)
    for change, message in (
        (lambda s: s.pop("encoder_block_3.conv1.weight"), "lacks 1 of 245 .*encoder_block_3.conv1.weight"),
        (lambda s: s.update({"decoder_block_2.upConvTranspose.weight": torch.zeros(2, 2, 4, 4)}), "decoder_block_2"),
        (lambda s: s["input_layer.1.bias"].fill_(float("nan")), "input_layer.1.bias has values that are not finite"),
        (
            lambda s: s.update({"module.input_layer.1.bias": s.pop("input_layer.1.bias") * float("inf")}),
            "module.input_layer.1.bias has values that are not finite",
        ),
    ):
        broken = {key: value.clone() for key, value in content.items()}
        change(broken)
        torch.save(broken, path)
        with pytest.raises(WeightsError, match=message):
            read_prnet(path)


def test_tensor_of_a_checkpoint_that_is_no_number_is_named_as_it_is_there(tmp_path, arrays):
    broken = {**arrays, "stem.norm.bias": np.full_like(arrays["stem.norm.bias"], np.nan)}
    write_tensorflow(tmp_path / "w", broken)
    with pytest.raises(WeightsError, match="resfcn256/Conv/BatchNorm/beta has values that are not finite"):
        read_prnet(tmp_path / "w.index")


def test_checksum_is_castagnolis(test_data):
    assert crc32c(b"123456789") == 0xE3069283  # the published check value
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, appendix B.4
    assert crc32c(bytes(range(32))) == 0x46DD794E
    entry = read_index(test_data / "prnet_uv" / "256_256_resfcn256_weight.index")["beta1_power"]
    assert unmasked(entry.checksum) == crc32c(bytes(4))  # 0.9 to the power of the steps of training: 0


@pytest.mark.parametrize("length", [0, 1, 3, 4, 255, 256, 257, 512, 5000])
def test_checksum_of_any_length_is_that_of_one_byte_after_the_other(length):
    data = np.random.default_rng(length).bytes(length)
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    assert crc32c(data) == state ^ 0xFFFFFFFF


def test_one_bit_turned_in_a_checkpoint_is_named(tmp_path, arrays):
    write_tensorflow(tmp_path / "w", arrays)
    data = tmp_path / "w.data-00000-of-00001"
    entry = read_index(tmp_path / "w.index")["resfcn256/resBlock_4/Conv_1/weights"]
    with data.open("r+b") as stream:
        stream.seek(entry.offset + entry.size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, 1)
        stream.write(bytes([byte ^ 1]))
    with pytest.raises(WeightsError, match=r"data-00000-of-00001: is damaged: resfcn256/resBlock_4/Conv_1/weights"):
        read_prnet(tmp_path / "w")


def test_data_of_other_weights_beside_the_published_index_are_refused(tmp_path, checkpoint, test_data):
    index = test_data / "prnet_uv" / "256_256_resfcn256_weight.index"
    assert file_sha256(index) == PRNET_INDEX_SHA256
    (tmp_path / "w.index").write_bytes(index.read_bytes())
    (tmp_path / "w.data-00000-of-00001").symlink_to(checkpoint / "w.data-00000-of-00001")
    with pytest.raises(WeightsError, match="differs from its checksum"):
        read_prnet(tmp_path / "w")


def test_one_bit_turned_in_a_pytorch_file_is_named(tmp_path, arrays):
    write_pytorch(tmp_path / "w.pth", arrays, whole=False)
    content = bytearray((tmp_path / "w.pth").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.pth: is damaged: w/data/\d+ differs from its checksum"):
        read_prnet(tmp_path / "w.pth")


@pytest.mark.parametrize("odd", [torch.ones(16).to_sparse(), torch.zeros(16, device="meta")], ids=["sparse", "meta"])
def test_tensor_without_plain_values_is_named(tmp_path, odd):
    torch.save({"input_layer.1.bias": odd}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"input_layer\.1\.bias is no plain tensor"):
        read_prnet(tmp_path / "w.pth")


def test_file_that_would_run_code_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("ran",)

    torch.save({"a": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(WeightsError, match=r"holds more than tensors \(print\), and reading that could run code"):
        read_prnet(tmp_path / "trap.pth")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04"], ids=["empty", "text", "zip"])
def test_what_is_no_weight_file_is_named(tmp_path, content):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"x\.pth"):
        read_prnet(tmp_path / "x.pth")


def test_random_weights_are_refused_and_leave_nothing(home, tmp_path, arrays):
    write_pytorch(tmp_path / "prnet.pth", arrays, whole=False)
    with pytest.raises(WeightsError, match=r"makes no face .* --unchecked"):
        import_prnet(tmp_path / "prnet.pth")
    assert state(known("prnet")) == "missing"
    with pytest.raises(WeightsError, match="weights import prnet PATH"):
        locate("prnet")


def test_unchecked_import_is_marked_and_runs(home, checkpoint):
    path = import_prnet(checkpoint / "w.index", unchecked=True)
    assert path == locate("prnet", fetch=False)
    told = origin(known("prnet"))
    assert told["checked"] == "unchecked"
    assert told["source_form"] == "TensorFlow checkpoint"
    assert told["source_sha256"] == hashlib.sha256((checkpoint / "w.data-00000-of-00001").read_bytes()).hexdigest()
    PRNetReconstructor(PRNetConfig(plain=True))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert state(known("prnet")) == "damaged"
    with pytest.raises(WeightsError, match="is damaged"):
        locate("prnet")


def test_stored_file_is_plain_safetensors(home, tmp_path, arrays):
    write_pytorch(tmp_path / "prnet.pth", arrays, whole=False)
    raw = import_prnet(tmp_path / "prnet.pth", unchecked=True).read_bytes()
    header = json.loads(raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]])
    assert set(header) - {"__metadata__"} == {tensor.name for tensor in tensors()}


def test_gate_says_why(arrays):
    assert gives_no_face(arrays)


def test_git_blob_is_gits(tmp_path):
    (tmp_path / "f").write_bytes(b"hello\n")
    assert git_blob(tmp_path / "f") == "ce013625030ba8dba906f756967f9e9ca394464a"
