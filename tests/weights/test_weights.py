"""Networks are fetched, imported and checked; every bad case is one sentence."""

import hashlib
import os
import shutil
import stat
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from masksynth.errors import WeightsError
from masksynth.weights import NETWORKS, fetch, import_network, known, locate, state
from masksynth.weights.registry import MEDIAPIPE


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """A wheel of our own making with the two genuine files in it."""
    path = tmp_path_factory.mktemp("wheel") / "any name.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("blazeface", "facemesh"):
            archive.write(locate(name), known(name).member)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKSYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_cached_files_have_the_registered_size_and_hash():
    for name in ("blazeface", "facemesh"):
        data = locate(name).read_bytes()
        assert len(data) == known(name).size
        assert hashlib.sha256(data).hexdigest() == known(name).sha256


def test_wheel_from_elsewhere_gives_both_networks(home, wheel):
    assert state(known("blazeface")) == "missing"
    path = import_network("facemesh", wheel)
    assert path.parent == home / "weights"
    assert locate("blazeface", fetch=False).is_file()
    assert locate("facemesh", fetch=False) == path


def test_missing_network_names_the_line_to_type(home):
    with pytest.raises(WeightsError, match="masksynth weights fetch facemesh"):
        locate("facemesh", fetch=False)


@pytest.mark.parametrize("damage", ["cut short", "one bit"])
def test_damaged_cached_file_is_noticed(home, wheel, damage):
    path = import_network("facemesh", wheel)
    data = bytearray(path.read_bytes())
    if damage == "cut short":
        data = data[:-1]
    else:
        data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert state(known("facemesh")) == "damaged"
    with pytest.raises(WeightsError, match="is damaged"):
        locate("facemesh", fetch=False)
    import_network("facemesh", wheel)
    assert state(known("facemesh")) == "here"


def test_wheel_with_another_file_in_it_is_refused_and_leaves_nothing(home, tmp_path, wheel):
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.write(locate_real("blazeface", wheel, tmp_path), known("blazeface").member)
        archive.writestr(known("facemesh").member, b"not a network")
    with pytest.raises(WeightsError, match="sha256"):
        import_network("facemesh", other)
    assert state(known("blazeface")) == state(known("facemesh")) == "missing"


def locate_real(name, wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        return archive.extract(known(name).member, folder)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "not a wheel"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), "not a wheel"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "does not hold"),
        (lambda path: path.mkdir(), "not a wheel"),
        (lambda path: None, "no such file"),
    ],
    ids=["empty", "cut short", "other wheel", "folder", "absent"],
)
def test_what_is_no_wheel_is_named(home, tmp_path, make, message):
    path = tmp_path / "x.whl"
    make(path)
    with pytest.raises(WeightsError, match=message):
        import_network("facemesh", path)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(WeightsError, match="blazeface, facemesh"):
        locate("resnet")


def test_no_registry_is_one_clear_line(home, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(WeightsError, match=r"pip could not fetch .*weights import facemesh WHEEL") as error:
        locate("facemesh")
    assert "\n" not in str(error.value)
    assert not list((home / "weights").glob("*.tflite"))


def test_wrong_wheel_from_a_mirror_is_refused(home, monkeypatch, tmp_path):
    (tmp_path / "links").mkdir()
    forged = tmp_path / "links" / MEDIAPIPE.file
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr(
            "mediapipe-0.10.21.dist-info/METADATA", "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n"
        )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    with pytest.raises(WeightsError, match="could not fetch"):
        locate("facemesh")
    assert not list((home / "weights").glob("*.tflite"))


def test_absent_pip_names_the_way_without_it(home, monkeypatch, tmp_path):
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n")
    bare.chmod(bare.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(WeightsError, match=r"has no pip .* weights import facemesh WHEEL"):
        locate("facemesh")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_home_that_cannot_be_written_is_named(home):
    home.mkdir()
    home.chmod(0o500)
    with pytest.raises(WeightsError, match="MASKSYNTH_HOME"):
        locate("facemesh")


@pytest.mark.slow
def test_fetches_at_the_same_time_do_not_disturb_each_other(home):
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: locate("facemesh"), range(4)))
    assert len(set(paths)) == 1
    assert state(known("facemesh")) == state(known("blazeface")) == "here"
    assert sorted(p.suffix for p in (home / "weights").iterdir() if not p.name.startswith(".")) == [".tflite"] * 2


@pytest.mark.slow
def test_fetched_file_replaces_a_damaged_one(home, wheel):
    path = import_network("facemesh", wheel)
    shutil.copy(path, path.with_suffix(".kept"))
    path.write_bytes(b"damaged")
    assert locate("facemesh").read_bytes() == path.with_suffix(".kept").read_bytes()


def test_every_network_says_where_it_comes_from():
    for network in NETWORKS:
        assert network.licence
        assert network.source
        assert network.job


def test_a_registry_that_does_not_answer_is_told_from_one_that_has_no_such_package():
    without = "ERROR: Could not find a version that satisfies the requirement a==1 (from versions: none)\n"
    without += "ERROR: No matching distribution found for a==1\n"
    retry = "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /simple/a/\n"
    assert fetch._reason(retry + without) == "no registry answered"
    assert fetch._reason(without) == "No matching distribution found for a==1"
    assert fetch._reason("") == ""
