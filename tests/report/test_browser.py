"""The page in a headless browser: every picture there, nothing wider than the window, nothing asked for outside."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from masksynth.report import write_report

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=5000",
)
MEASURE = """<script>
const images = [...document.images];
const out = {
  images: images.length,
  broken: images.filter(i => !i.complete || !i.naturalWidth).map(i => i.alt),
  outside: performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:")),
  wider: [...document.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".table,pre,svg"))
    .map(e => e.outerHTML.slice(0, 80)),
  width: innerWidth,
  charts: [...document.querySelectorAll("svg")].filter(s => s.getBoundingClientRect().height < 60).length,
};
document.title = "MEASURED" + JSON.stringify(out) + "DEASURED";
</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("no Chromium on this machine")


def run_browser(browser: str, tmp_path: Path, page: Path, *flags: str) -> str:
    profile = tmp_path / "profile"
    command = [browser, *FLAGS, f"--user-data-dir={profile}", *flags, page.resolve().as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    shutil.rmtree(profile, ignore_errors=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def measure(browser: str, tmp_path: Path, page: Path, width: int) -> dict:
    """What a script inside the page finds; the page itself allows none, so it is asked in a copy without its policy."""
    html = page.read_text(encoding="utf-8")
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html).replace("</body>", MEASURE + "</body>")
    assert free.count("Content-Security-Policy") == 0
    copy = tmp_path / "copy.html"
    # A headless window is never narrower than 500 px: a frame stands for the phone.
    copy.write_text(free, encoding="utf-8")
    outer = tmp_path / "frame.html"
    outer.write_text(
        f'<body style="margin:0"><iframe src="copy.html" style="border:0;width:{width}px;height:900px"></iframe>'
        '<script>addEventListener("load", () => { document.title = frames[0].document.title })</script></body>',
        encoding="utf-8",
    )
    dom = run_browser(
        browser, tmp_path, outer, "--allow-file-access-from-files", "--window-size=1400,1000", "--dump-dom"
    )
    found = re.search(r"MEASURED(\{.*?\})DEASURED", dom, flags=re.S)
    assert found, dom[:500]
    return json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


@pytest.mark.parametrize("width", [1200, 390])
def test_every_picture_shows_and_nothing_is_wider_than_the_window(
    browser: str, make_store: Callable[..., Path], tmp_path: Path, width: int
):
    page = tmp_path / "report.html"
    write_report(make_store(), page)
    seen = measure(browser, tmp_path, page, width)
    assert seen["width"] == width
    assert seen["images"] == page.read_text(encoding="utf-8").count("<img ")
    assert seen["images"] > 20
    assert seen["broken"] == []
    assert seen["outside"] == []
    assert seen["wider"] == []
    assert seen["charts"] == 0


def test_the_page_is_drawn_as_it_is_under_its_own_policy(browser: str, make_store: Callable[..., Path], tmp_path: Path):
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    write_report(make_store(), page)
    run_browser(browser, tmp_path, page, "--window-size=1200,1600", f"--screenshot={shot}")
    pixels = np.asarray(PillowImage.open(shot).convert("RGB"))
    assert pixels.shape == (1600, 1200, 3)
    assert (pixels == 255).all(axis=2).mean() > 0.3  # a light page: its style was allowed
    grey_faces = (pixels.max(axis=2) == 20).sum()
    assert grey_faces > 5000  # the background of the drawn faces: its pictures were allowed
