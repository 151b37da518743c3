"""The whole walk on generated faces: data set, template from a photo, masks, training, evaluation, one page.

Every step is what a command of masksynth does, and says which. No photo of a real person is needed.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksynth import __version__
from masksynth.arrays import Photo8, Pose
from masksynth.batch import BatchConfig, Progress, make_plan, run_plan
from masksynth.batch.run import Silent
from masksynth.datasets import open_dataset
from masksynth.datasets.generated import View, draw_view, identity, render_face
from masksynth.datasets.generated.demo import DemoConfig as FacesConfig
from masksynth.datasets.generated.demo import write_demo
from masksynth.datasets.generated.truly_masked import render_masked
from masksynth.errors import ConfigError, NoFaceError, OutputError, SegmentationError, counted
from masksynth.extract import ExtractedTemplate, extract_template
from masksynth.files import write_bytes
from masksynth.photos import Photo, read_photo, write_photo
from masksynth.report.markup import file_size
from masksynth.report.walk import Extraction, Step, write_walk
from masksynth.seeds import rng_for
from masksynth.template import load_template, resolve_templates, save_template
from masksynth.train.config import PAPER_ITERATIONS, HsstConfig

MARK = "demo.json"  # says that a folder is a demo's, and of which settings
OUTPUTS = (
    "casia",
    "person.png",
    "person-mask.png",
    "person-mask.alpha.png",
    "masked.h5",
    "masked.h5.parts",
    "run",
    "report.html",
)
WORN_IN_PHOTO = "cloth-flowers"  # what the person in the photo wears; the data set gets it by way of that photo alone
LIBRARY = ("surgical-blue", "surgical-white", "n95-cup", "kn95-white", "kn95-black", "cloth-navy", "cloth-checks")
STRANGERS = (100_007, 100_002, 100_005)  # persons for the photo, never in the data set, the same whatever the seed
LEARNING_RATE, SCALE = 0.02, 10.0  # from scratch; the paper's 0.0005 and 30 are for a network that knows faces
MAX_SKIPPED = 0.2  # share of the photos; some are spoilt on purpose
WIDTH = 0.5  # of the network: what two cores do in a minute


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """How much of everything; the defaults take a minute or two on two cores."""

    subjects: int = 32
    nir_photos: int = 5  # of each person, about
    vis_photos: int = 3  # likewise
    damaged: int = 7  # photos that are spoilt on purpose
    iterations: int = 40
    batch: int = 8
    workers: int | None = None  # processes; one a core where not given
    seed: int = 0


def run_demo(
    folder: Path,
    config: DemoConfig | None = None,
    *,
    say: Callable[[str], None] = print,
    progress: Callable[[], AbstractContextManager[Progress]] = lambda: nullcontext(Silent()),
) -> Path:
    """Walk the whole way in `folder`; the path of the page.

    A second call goes on where the first was stopped, and begins anew where the settings or the version are others.

    Parameters
    ----------
    say : callable
        Receives each line for the screen.
    progress : callable
        Makes what shows how far a long step is; used as a context manager.

    Raises
    ------
    ConfigError
        If `folder` is not empty and is not a demo's.
    MasksynthError
        Whatever a step raises.
    """
    config, folder, begun = config or DemoConfig(), Path(folder), time.monotonic()
    walk = Walk(folder, config, say, progress)
    faces = generate_faces(walk)
    template = template_from_photo(walk)
    masked = mask_data_set(walk, faces, template)
    run = train(walk, masked)
    evaluate(walk, masked, run)
    with walk.step("One page about all of it", f"masksynth report {masked}") as step:
        page = folder / "report.html"
        write_walk(page, walk.steps, extraction(walk, template), masked, run, root=faces, seed=config.seed)
        step.results.append(f"{page}: {file_size(page)}")
    say("")
    say(f"Done in {spoken(time.monotonic() - begun)}.")
    say(
        f"The training run is too short to mean anything: {counted(config.iterations, 'iteration')}; the paper has "
        f"{PAPER_ITERATIONS:,}."
    )
    say(f"The page: {page.resolve()}")
    return page


class Walk:
    """The folder, what is done in it, and the telling of it."""

    def __init__(
        self,
        folder: Path,
        config: DemoConfig,
        say: Callable[[str], None],
        progress: Callable[[], AbstractContextManager[Progress]] = lambda: nullcontext(Silent()),
    ) -> None:
        self.folder, self.config, self.say, self.progress = folder, config, say, progress
        self.steps: list[Step] = []
        self._settings = {"masksynth": __version__, **dataclasses.asdict(config)}
        self._settings.pop("workers")  # decides nothing
        self._done: list[str] = []
        self._told: dict[str, Any] = {}  # by title, of the steps that came to their end: seconds and results
        self._begin()

    @contextmanager
    def step(self, title: str, command: str) -> Iterator[Step]:
        """One step: announced, timed, and its results told."""
        step = Step(title, command)
        self.steps.append(step)
        self.say(f"{len(self.steps)}/6  {title}")
        self.say(f"     $ {command}")
        begun = time.monotonic()
        yield step
        now = time.monotonic() - begun
        for line in step.results:
            self.say(f"     {line}")
        told = self._told.setdefault(title, {"seconds": now, "results": step.results})
        step.seconds = told["seconds"]  # of the call that did the work
        self._write()
        self.say(f"     {now:.1f} s")

    def told(self, title: str) -> list[str]:
        """The results of a step as an earlier call told them."""
        return list(self._told.get(title, {}).get("results", []))

    def done(self, name: str) -> bool:
        """Whether the part `name` is there from an earlier call."""
        return name in self._done

    def mark(self, name: str) -> None:
        """Remember that the part `name` is there, whole."""
        self._done.append(name)
        self._write()

    def _begin(self) -> None:
        mark = self.folder / MARK
        try:
            if not mark.exists() and self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise ConfigError(f"{self.folder}: is there already and is no demo's folder. Give another with -o.")
            self.folder.mkdir(parents=True, exist_ok=True)
            before = _read_mark(mark)
            if before.get("settings") == self._settings:
                self._done, self._told = list(before.get("done", [])), dict(before.get("told", {}))
                return
            for name in OUTPUTS:
                path = self.folder / name
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            self._write()
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self.folder}: could not be written ({error.strerror or error}).") from error

    def _write(self) -> None:
        values = {"settings": self._settings, "done": self._done, "told": self._told}
        write_bytes(self.folder / MARK, (json.dumps(values, indent=2) + "\n").encode())


# The six steps


def generate_faces(walk: Walk) -> Path:
    """A data set of generated faces in the layout of CASIA NIR-VIS 2.0, a few photos of it spoilt; its folder."""
    config, root = walk.config, walk.folder / "casia"
    faces = FacesConfig(
        subjects=config.subjects, nir_photos=config.nir_photos, vis_photos=config.vis_photos, seed=config.seed
    )
    counts = f"--subjects {faces.subjects} --nir-photos {faces.nir_photos} --vis-photos {faces.vis_photos}"
    command = f"masksynth demo-dataset {quoted(root)} --layout casia {counts} --seed {faces.seed}"
    with walk.step("Faces of persons who do not exist, in NIR and VIS", command) as step:
        if not walk.done("faces"):
            render_face(identity(faces.seed, 0), View(), "nir")  # compiles; the rate is told without that
            with walk.progress() as progress:
                progress.begin("photos", (faces.subjects + 1) * (faces.nir_photos + faces.vis_photos))
                write_demo(root, faces, force=True, progress=lambda: progress.advance(1))
            spoil(root, config)
            walk.mark("faces")
        step.results.append(f"{counted(len(photo_files(root)), 'photo')}, {config.damaged} of them spoilt on purpose")
    return root


def template_from_photo(walk: Walk) -> Path:
    """A photo of somebody who wears a mask, and the template made from it; the template's file."""
    photo, out = walk.folder / "person.png", walk.folder / "person-mask.png"
    command = f"masksynth extract-template {quoted(photo)} -o {quoted(out)}"
    with walk.step("A mask template from a photo of somebody who wears one", command) as step:
        if not walk.done("template"):
            pixels, extracted = first_that_works(photo)
            write_photo(photo, pixels)
            save_template(out, extracted.template)
            alpha = extracted.views[0].segmentation.alpha
            write_photo(out.with_suffix(".alpha.png"), np.rint(255 * alpha).astype(np.uint8))
            walk.mark("template")
        step.results.append(f"{out}: the template")
    return out


def mask_data_set(walk: Walk, root: Path, template: Path) -> Path:
    """The masked data set as one HDF5 file."""
    config, out = walk.config, walk.folder / "masked.h5"
    references = [*LIBRARY, str(template)]
    command = f"masksynth apply --dataset casia --root {quoted(root)} --templates {quoted(','.join(references))}"
    command += f" --out {quoted(out)} --seed {config.seed}"
    with walk.step("The template, and others, on every NIR face", command) as step:
        faces = open_dataset("casia", root)
        plan = make_plan(faces, resolve_templates(references), BatchConfig(seed=config.seed))
        with walk.progress() as progress:
            run = partial(
                run_plan, plan, out, workers=config.workers, max_skipped=MAX_SKIPPED, command=command, progress=progress
            )
            try:
                summary = run()
            except ConfigError:  # what lies there was made by another masksynth
                summary = run(force=True)
        step.results.append(f"{out}: {plan.rows('nir'):,} NIR and {counted(plan.rows('vis'), 'VIS photo')} planned")
        if summary.content is not None:
            rows, skipped = summary.content.rows, summary.content.skipped
            step.results[-1] = (
                f"{out}: {rows['nir']:,} NIR and {counted(rows['vis'], 'VIS crop')}, "
                f"{counted(len(skipped), 'photo')} skipped"
            )
    return out


def train(walk: Walk, masked: Path) -> Path:
    """A network trained for a moment; the run's folder."""
    from masksynth.train.start import train_hsst

    config, out = walk.config, walk.folder / "run"
    settings = HsstConfig(
        iterations=config.iterations,
        batch=config.batch,
        queue=config.batch,
        lr=LEARNING_RATE,
        scale=SCALE,
        width=WIDTH,
        seed=config.seed,
    )
    command = f"masksynth train-hsst {quoted(masked)} -o {quoted(out)} --iterations {config.iterations}"
    command += f" --batch {config.batch} --lr {LEARNING_RATE} --scale {SCALE:g} --width {WIDTH} --seed {config.seed}"
    title = "A network trained on it, far too shortly"
    with walk.step(title, command) as step, walk.progress() as progress, one_thread():
        progress.begin("iterations", config.iterations)
        run = partial(train_hsst, masked, settings, out=out, on_step=lambda done, record: progress.advance(1))
        try:
            finished = run()
        except ConfigError:  # likewise
            finished = run(force=True)
        step.results += [f"{finished.run.network_path}: {counted(config.iterations, 'iteration')}", *finished.notes]
        losses = [float(row["loss"]) for row in finished.run.read_log()]
        few = max(1, len(losses) // 5)
        step.results.append(f"loss {np.mean(losses[:few]):.2f} at the start, {np.mean(losses[-few:]):.2f} at the end")
    return out


def evaluate(walk: Walk, masked: Path, run: Path) -> None:
    """Masked and unmasked probes against the gallery; written into the run's folder."""
    from masksynth.evaluate.network import as_json, evaluate_network

    protocol = "fold01"  # whose training rows the network has seen; in other folds some of its persons are probes
    command = f"masksynth evaluate {quoted(masked)} --weights {quoted(run)} --protocol {protocol}"
    title, figures = "Recognition measured, masked and not masked", run / "evaluation.json"
    with walk.step(title, command) as step:
        if walk.done("evaluation") and figures.is_file() and not _newer(run / "probe.safetensors", figures):
            step.results += walk.told(title)
            return
        with one_thread():
            evaluation = evaluate_network(masked, weights=run, protocols=(protocol,))
        write_bytes(figures, (json.dumps(as_json(evaluation), indent=2) + "\n").encode())
        walk.mark("evaluation")
        for result in evaluation.protocols[protocol]:
            rank = result.identification
            step.results.append(
                f"{protocol}, {result.probes} probes: rank-1 {100 * rank.rate:.1f} %, {rank.missing} of "
                f"{counted(rank.present + rank.missing, 'probe')} missing"
            )


def extraction(walk: Walk, template: Path) -> Extraction:
    """What the page shows of the step from the photo to the template."""
    alpha = np.asarray(read_photo(template.with_suffix(".alpha.png")).pixels / 255, np.float32)
    photo = read_photo(walk.folder / "person.png").rgb
    return Extraction(photo, alpha, load_template(template), load_template(WORN_IN_PHOTO))


# What the steps need


def first_that_works(path: Path) -> tuple[Photo8, ExtractedTemplate]:
    """The photo of the first stranger whose mask is told from the face, and what comes out of it."""
    for stranger in STRANGERS[:-1]:
        with suppress(NoFaceError, SegmentationError):
            pixels = masked_person(stranger)
            return pixels, extract_template([Photo(pixels, path)], name="person-mask")
    pixels = masked_person(STRANGERS[-1])
    return pixels, extract_template([Photo(pixels, path)], name="person-mask")


def masked_person(stranger: int = STRANGERS[0]) -> Photo8:
    """A colour photo of a generated person who wears a mask of the library, a thing in the scene, under its light."""
    view = draw_view(rng_for(0, "demo", "person", stranger), "vis", mood=0.0)
    pose = Pose(yaw=np.radians(12.0), pitch=0.0, roll=0.0)
    view = dataclasses.replace(view, pose=pose, interocular=150.0, centre=(0.5, 0.42))
    return render_masked(identity(0, stranger), view, load_template(WORN_IN_PHOTO), "vis").masked


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: several wait for one another, and take ten times as long where a core has other work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def photo_files(root: Path) -> list[Path]:
    """The photos of a data set as CASIA has them, without the small cropped copies; sorted."""
    kinds = (path for kind in ("NIR", "VIS") for path in root.rglob(f"{kind}/*/*"))
    return sorted(path for path in kinds if path.suffix.lower() in (".bmp", ".jpg", ".png"))


def spoil(root: Path, config: DemoConfig) -> None:
    """Spoil a few photos, each in another way, as discs and copying do."""
    rng = rng_for(config.seed, "demo", "spoil")
    files = photo_files(root)
    chosen = [files[k] for k in rng.permutation(len(files))[: config.damaged]]
    ways: tuple[Callable[[Path], None], ...] = (
        lambda path: _turned_away(path, STRANGERS[0] + 1),
        lambda path: _rewrite(path, path.read_bytes()[: path.stat().st_size // 3]),
        _bare_wall,
        lambda path: _rewrite(path, b""),
        lambda path: _rewrite(path, b"<html><body>404 Not Found</body></html>\n"),
        lambda path: write_photo(path, np.zeros((1, 1), np.uint8)),
        lambda path: _turned_away(path, STRANGERS[0] + 4),
    )
    for k, path in enumerate(chosen):
        ways[k % len(ways)](path)


def _turned_away(path: Path, person: int) -> None:
    spectrum: Any = "nir" if "NIR" in path.parts else "vis"
    view = draw_view(rng_for(0, "demo", path.name), spectrum)
    turned = View(pose=Pose(yaw=np.radians(165.0), pitch=0.0, roll=0.0), body_yaw=np.radians(165.0), light=view.light)
    write_photo(path, render_face(identity(0, person), turned, spectrum).pixels)


def _bare_wall(path: Path) -> None:
    y, x = np.mgrid[:640, :480]
    wall: npt.NDArray[np.uint8] = (150 + 30 * np.sin(x / 90) + y / 20).astype(np.uint8)
    write_photo(path, wall)


def _rewrite(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _newer(one: Path, other: Path) -> bool:
    return one.is_file() and one.stat().st_mtime_ns > other.stat().st_mtime_ns


def _read_mark(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def quoted(word: object) -> str:
    """As it would be typed into a shell."""
    return shlex.quote(str(word))


def spoken(seconds: float) -> str:
    """75 as "1 min 15 s"."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
