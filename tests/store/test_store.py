from __future__ import annotations

import multiprocessing
import resource
import zlib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from store_cases import HEADER, SIDE, make_rows

from masksynth.errors import OutputError, ShapeError, StoreError
from masksynth.store import (
    MaskEntry,
    ProtocolRows,
    Rows,
    Skipped,
    StoreWriter,
    Stretch,
    open_store,
    unlike_datasets,
    verify_store,
    write_store,
)
from masksynth.store.guard import Hdf5File
from masksynth.store.schema import COLUMNS


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def write_example(path: Path, **changes: object) -> None:
    protocol = ProtocolRows(
        "fold01",
        {"nir_train": ints(0, 1), "vis_train": ints(0), "nir_probe": ints(4, 2), "vis_gallery": ints(1, 2)},
        {"nir_train": 2, "vis_train": 1, "nir_probe": 3, "vis_gallery": 2},
        {"nir_train": ints(), "vis_train": ints(), "nir_probe": ints(0), "vis_gallery": ints()},
        published=True,
    )
    arguments = {
        "subjects": ("10001", "10002", "20003"),
        "nir": make_rows(5, "nir", masked=True),
        "vis": make_rows(3, "vis", masked=False),
        "masks": [MaskEntry("surgical-blue", {"use": "train"}, "ab" * 32)],
        "protocols": [protocol],
        "skipped": [Skipped("s1/NIR/9.bmp", "no face found", "20003", "nir")],
        **changes,
    }
    write_store(path, HEADER, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("compression", ["none", "masks", "lzf", "gzip"])
def test_what_is_written_is_read(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "masked.h5"
    write_example(path, compression=compression)
    nir = make_rows(5, "nir", masked=True)
    with open_store(path) as store:
        assert store.side == SIDE
        assert store.complete
        assert store.attrs["config"] == {"b": 1, "a": [2]}
        assert store.subjects == ("10001", "10002", "20003")
        assert store.templates == (MaskEntry("surgical-blue", {"use": "train"}, "ab" * 32),)
        assert store.skipped == (Skipped("s1/NIR/9.bmp", "no face found", "20003", "nir"),)
        for kind in ("image", "clean", "alpha", "touched"):
            np.testing.assert_array_equal(store.images("nir", None, kind), getattr(nir, kind))
        for name in COLUMNS:
            assert store.column("nir", name).tolist() == list(np.asarray(getattr(nir, name), object).tolist())
        assert store.images("vis").shape == (3, SIDE, SIDE, 3)
        np.testing.assert_array_equal(store.labels("nir", [3, 1]), nir.subject[[3, 1]])


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_rows_come_in_the_order_asked_for_and_may_repeat(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "masked.h5"
    write_example(path, compression=compression)
    image = make_rows(5, "nir", masked=True).image
    with open_store(path) as store:
        for rows in ([4, 0, 1, 2, 2], [], [3], np.array([1, 2, 4], np.int32), slice(1, 3)):
            np.testing.assert_array_equal(store.images("nir", rows), image[rows])


def test_clean_images_of_an_unmasked_spectrum_are_its_images(tmp_path: Path) -> None:
    write_example(tmp_path / "m.h5")
    with open_store(tmp_path / "m.h5") as store:
        np.testing.assert_array_equal(store.images("vis", [2], "clean"), store.images("vis", [2]))


def test_a_protocol_says_what_is_missing_and_whose_it_is(tmp_path: Path) -> None:
    write_example(tmp_path / "m.h5")
    with open_store(tmp_path / "m.h5") as store:
        assert store.protocols == ("fold01",)
        protocol = store.protocol("fold01")
        assert protocol.nir_probe.tolist() == [4, 2]
        assert protocol.expected["nir_probe"] == 3
        assert protocol.missing_count("nir_probe") == 1
        assert protocol.missing["nir_probe"][0].subject == "20003"
        assert protocol.published
        with pytest.raises(StoreError, match=r"no protocol 'fold02'\. There are: fold01"):
            store.protocol("fold02")


def test_the_same_content_makes_the_same_bytes_but_for_the_time(tmp_path: Path) -> None:
    write_example(tmp_path / "a.h5")
    write_example(tmp_path / "b.h5")
    assert not unlike_datasets(tmp_path / "a.h5", tmp_path / "b.h5")
    for name in ("a.h5", "b.h5"):
        with h5py.File(tmp_path / name, "r+") as file:
            file.attrs.modify("created", "then")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def _sum_of_images(store, rows, queue) -> None:  # type: ignore[no-untyped-def]
    queue.put(int(store.images("nir", rows).sum()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_open_store_may_be_handed_to_another_process(tmp_path: Path, method: str) -> None:
    write_example(tmp_path / "m.h5", compression="gzip")
    with open_store(tmp_path / "m.h5") as store:
        expected = int(store.images("nir", [0, 1]).sum())
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        workers = [context.Process(target=_sum_of_images, args=(store, [0, 1], queue)) for _ in range(2)]
        for worker in workers:
            worker.start()
        assert [queue.get(timeout=60) for _ in workers] == [expected, expected]
        for worker in workers:
            worker.join()
        assert int(store.images("nir", [0, 1]).sum()) == expected


def test_a_file_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = "faces/7"
    with pytest.raises(StoreError, match="is of schema 'faces/7', but 'masksynth/1' is wanted"):
        open_store(path)
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]
    with pytest.raises(StoreError, match="is not a masked data set"):
        open_store(path)


def test_bad_files_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such file"):
        open_store(tmp_path / "none.h5")
    with pytest.raises(StoreError, match="is a folder"):
        open_store(tmp_path)
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(StoreError, match="is not an HDF5 file"):
        open_store(tmp_path / "text.h5")
    write_example(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        del file["nir/pose"]
    with pytest.raises(StoreError, match="is not as schema"):
        open_store(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["nir/pose"] = np.zeros((5, 2), np.float32)
    with pytest.raises(StoreError, match=r"'nir/pose' is \(5, 2\) float32, but"):
        open_store(tmp_path / "m.h5")


def test_a_file_that_points_into_another_is_not_followed(tmp_path: Path) -> None:
    write_example(tmp_path / "m.h5")
    (tmp_path / "secret").write_bytes(bytes(5 * 4))
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        del file["nir/score"]
        file.create_dataset("nir/score", (5,), "f4", external=[(str(tmp_path / "secret"), 0, 20)])
    with pytest.raises(StoreError, match="points into other files"):
        open_store(tmp_path / "m.h5")


def test_rows_outside_the_file_are_refused(tmp_path: Path) -> None:
    write_example(tmp_path / "m.h5")
    with open_store(tmp_path / "m.h5") as store:
        with pytest.raises(StoreError, match="nir has rows 0 to 4, asked for 0 to 5"):
            store.images("nir", [0, 5])
        with pytest.raises(StoreError, match="rows are a list of whole numbers"):
            store.labels("nir", np.array([True, False]))  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="holds no 'alpha' images of VIS"):
            store.images("vis", None, "alpha")


def test_wrong_arrays_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    rows = make_rows(2, "nir", masked=True)
    wrong = Rows(**{**rows.__dict__, "pose": rows.pose.astype(np.float64)})
    with pytest.raises(ShapeError, match="nir rows: 'pose' is"):
        write_example(tmp_path / "m.h5", nir=wrong, protocols=[])
    with pytest.raises(ShapeError, match="protocol fold01 has rows of nir_probe outside"):
        write_example(tmp_path / "m.h5", nir=rows)
    with pytest.raises(OutputError, match="does not exist"):
        write_example(tmp_path / "no" / "m.h5")
    assert list(tmp_path.iterdir()) == []


def test_verify_finds_nothing_in_a_sound_file(tmp_path: Path) -> None:
    write_example(tmp_path / "m.h5", compression="gzip")
    result = verify_store(tmp_path / "m.h5")
    assert result.problems == ()
    assert result.rows == {"nir": 5, "vis": 3}
    assert result.masked == {"nir": 5, "vis": 0}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: f["vis/image"].__setitem__((1, 0, 0, 0), 255 - f["vis/image"][1, 0, 0, 0]), "'vis/image' has other"),
        (lambda f: f["nir/image"].__setitem__((0,), 255 - f["nir/image"][0]), "differ from the clean"),
        (lambda f: f["nir/mask"].__setitem__(0, 7), "column 'mask' points outside"),
        (lambda f: f["subject"].__setitem__(0, "someone"), "'subject' has other values"),
        (lambda f: f["protocol/fold01/nir_probe"].attrs.modify("expected", 9), "but 9 are expected"),
        (lambda f: f["protocol/fold01/nir_probe"].attrs.modify("missing", 0), "states 0 missing, lists 1"),
        (lambda f: f.attrs.modify("border", "reflect"), "'border' says reflect, but constant 0 is wanted"),
        (lambda f: f.attrs.__delitem__("crop"), "'crop' says nothing, but scaled or margin is wanted"),
        (lambda f: f.attrs.modify("config", '{"crop": "margin"}'), "'crop' is not what its settings say"),
        (lambda f: f.attrs.modify("complete", np.bool_(False)), "marked incomplete"),
    ],
)
def test_verify_names_what_is_wrong(tmp_path: Path, spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    write_example(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        spoil(file)
    assert words in " / ".join(verify_store(tmp_path / "m.h5").problems)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: f.attrs.__delitem__("complete"), "no attribute 'complete'"),
        (lambda f: f.attrs.__setitem__("side", "wide"), "is not as schema"),
        (
            lambda f: linked(f, "vis/image", h5py.ExternalLink("other.h5", "/vis/image")),
            "'vis/image' points into",
        ),
        (lambda f: linked(f, "protocol", h5py.ExternalLink("other.h5", "/protocol")), "'/protocol' points into other"),
        (lambda f: linked(f, "vis/source", h5py.SoftLink("/nir/source")), "'vis/source' points elsewhere"),
    ],
)
def test_what_is_not_of_the_schema_or_points_elsewhere_is_refused(tmp_path: Path, spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    write_example(tmp_path / "m.h5")
    write_example(tmp_path / "other.h5")  # sound, and still not to be followed
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        spoil(file)
    with pytest.raises(StoreError, match=words):
        open_store(tmp_path / "m.h5")


def linked(file: h5py.File, name: str, link: object) -> None:
    del file[name]
    file[name] = link


def test_verify_notices_a_cut_file(tmp_path: Path) -> None:
    write_example(tmp_path / "m.h5")
    data = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "m.h5").write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError, match=f"was cut short: it has {len(data) // 2:,} of {len(data):,} bytes"):
        verify_store(tmp_path / "m.h5")


@pytest.fixture
def largest_file() -> Iterator[Callable[[int], None]]:
    """largest_file(size): from now on the system refuses to make a file larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_could_not_be_written_can_be_read_back(tmp_path: Path, largest_file: Callable[[int], None]) -> None:
    """HDF5 does read back its own index while it writes, and does not survive finding something else there."""
    rng = np.random.default_rng(0)
    expected = bytearray(1000)
    largest_file(500)
    file = Hdf5File(tmp_path / "m.h5")
    guarded = file._guarded
    for place in [100, 450, 900, 470, 200, *rng.integers(0, 900, 50).tolist()]:
        data = rng.bytes(100)
        expected[place : place + 100] = data
        guarded.seek(place)
        assert guarded.write(data) == 100
    for place in rng.integers(100, 900, 50).tolist():
        found = bytearray(100)
        guarded.seek(place)
        assert guarded.readinto(found) == 100
        assert found == expected[place : place + 100]
    assert guarded.seek(0, 2) == 1000
    with pytest.raises(OSError, match="File too large"):
        file.__exit__(None, None, None)
    assert (tmp_path / "m.h5").stat().st_size <= 500


def test_a_file_that_cannot_grow_at_any_moment_is_one_sentence(
    tmp_path: Path, largest_file: Callable[[int], None]
) -> None:
    nir = make_rows(400, "nir", masked=True)
    write_example(tmp_path / "whole.h5", nir=nir)
    for size in np.linspace(1, (tmp_path / "whole.h5").stat().st_size - 1, 12).astype(int).tolist():
        largest_file(size)
        with pytest.raises(OutputError, match=r"m\.h5: could not be written \(File too large\)"):
            write_example(tmp_path / "m.h5", nir=nir)
        assert not list(tmp_path.glob("*m.*"))


def test_two_files_are_compared_by_their_values(tmp_path: Path) -> None:
    write_example(tmp_path / "a.h5")
    write_example(tmp_path / "b.h5", compression="gzip")
    assert unlike_datasets(tmp_path / "a.h5", tmp_path / "b.h5") == ()
    nir = make_rows(5, "nir", masked=True)
    nir.image[4, 15, 15] ^= 1
    write_example(tmp_path / "b.h5", nir=nir, skipped=[Skipped("s1/NIR/9.bmp", "no face", "20003", "nir")])
    assert unlike_datasets(tmp_path / "a.h5", tmp_path / "b.h5") == ("nir/image", "skipped/reason")
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        file["more"] = [1, 2]
    assert "more" in unlike_datasets(tmp_path / "a.h5", tmp_path / "b.h5")


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.attrs.modify("seed", 99),
        lambda file: file.attrs.modify("config", '{"a": [2], "b": 2}'),
        lambda file: file.attrs.modify("plan_sha256", "0" * 64),
        lambda file: file["protocol/fold01"].attrs.modify("published", False),
        lambda file: file.pop("protocol/fold01"),
        lambda file: file.pop("nir/touched"),
        lambda file: file.attrs.pop("content_sha256"),
    ],
    ids=["seed", "setting", "plan", "published", "protocol", "kind", "hash"],
)
def test_what_was_taken_out_or_set_otherwise_is_found(tmp_path: Path, change: Callable[[h5py.File], object]) -> None:
    write_example(tmp_path / "m.h5")
    assert not verify_store(tmp_path / "m.h5").problems
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        change(file)
    (problem,) = verify_store(tmp_path / "m.h5").problems
    assert problem == "its settings, or the names of what it holds, are not those that were written"


@pytest.mark.parametrize("compression", ["none", "masks", "gzip"])
def test_a_bit_that_turns_on_the_disk_is_found_when_the_file_is_read_back(tmp_path: Path, compression: str) -> None:
    """By what was handed to the writer, packed or not, stretch by stretch; without unpacking anything."""
    nir = make_rows(40, "nir", masked=True)
    path = tmp_path / "m.h5"
    stretches: dict[str, list[Stretch]] = {}
    with StoreWriter(path, side=SIDE, counts={"nir": 40, "vis": 0}, compression=compression) as writer:
        for start, stop in ((0, 15), (15, 40)):
            rows = replace(nir, **{f.name: getattr(nir, f.name)[start:stop] for f in fields(nir)})
            writer.write("nir", rows)
            kinds = ("image", "clean", "alpha", "touched")
            sums = {f"nir/{k}": zlib.crc32(getattr(rows, k).tobytes()) for k in kinds if f"nir/{k}" in writer.plain}
            for name, checksum in (sums | writer.packed_sums("nir")).items():
                stretches.setdefault(name, []).append(Stretch(stop, checksum))
        writer.finish(HEADER, subjects=("a", "b", "c"), masks=[MaskEntry("blue", {}, "00")])
    assert sorted(stretches) == ["nir/alpha", "nir/clean", "nir/image", "nir/touched"]
    seen: list[int] = []
    assert verify_store(path, stretches=stretches, progress=seen.append).problems == ()
    assert sum(seen) == 40
    assert verify_store(path).problems == ()
    with h5py.File(path) as file:
        places = {}
        for name in stretches:
            dataset = file[name].id
            unpacked = file[name].chunks is None
            places[name] = dataset.get_offset() + 20 * SIDE**2 if unpacked else dataset.get_chunk_info(20).byte_offset
    sound = path.read_bytes()
    for name, place in places.items():
        damaged = bytearray(sound)
        damaged[place + 5] ^= 4
        path.write_bytes(damaged)
        found = verify_store(path, stretches=stretches)
        assert found.wrong_stretches == ((name, 40),)
        assert found.problems == (f"'{name}' has other values than were written (its hash differs)",)


def everything_in(path: Path) -> dict[str, object]:
    """Every name, attribute and value."""
    found: dict[str, object] = {}

    def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
        found[name] = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
        if isinstance(item, h5py.Dataset):
            found[f"{name}="] = item.shape, item[()].tolist()

    with h5py.File(path) as file:
        note("", file)
        file.visititems(note)
    return found


@pytest.mark.parametrize("compression", ["masks", "none"])
def test_a_bit_that_turns_anywhere_is_found_or_changes_nothing(tmp_path: Path, compression: str) -> None:
    """Values, names, attributes, and HDF5's own structure; what is wrong is said and never raised as it comes."""
    path = tmp_path / "m.h5"
    write_example(path, compression=compression)
    sound, whole = path.read_bytes(), everything_in(path)
    rng = np.random.default_rng(0)
    told = 0
    for place in rng.integers(0, len(sound), 300).tolist():
        damaged = bytearray(sound)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            problems = verify_store(path).problems
        except StoreError:
            problems = ("it cannot be opened",)
        told += bool(problems)
        assert problems or everything_in(path) == whole, place
    assert told > 150
