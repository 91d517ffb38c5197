"""The page in a real browser: with a mouse, with a keyboard, on a phone, in the dark, and without the internet."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# No GPU, no sandbox (which containers forbid), and no calls home.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
TABS = ["Ask", "Compare", "Vote", "Place landmarks", "Draw", "Translate"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def address(toys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a studio that serves all toys."""
    words = [sys.executable, "-m", "anime_gen", "studio", *map(str, toys.values()), "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    folder = tmp_path_factory.mktemp("studio")
    with subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield next(found[0] for line in server.stdout if (found := re.search(r"http://localhost:\d+/", line)))
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """A page, which must have asked for nothing elsewhere, and have had no fault."""
    contexts, faults = [], []

    def opened(size: dict[str, int] = DESK, **options: Any) -> Any:
        contexts.append(browser.new_context(viewport=size, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda asked: asked.url.startswith((address, "data:", "blob:")) or faults.append(asked.url))
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.goto(address)
        page.locator("body[data-ready]").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not faults


def to(page: Any, name: str) -> Any:
    """The panel of a tab, which is opened."""
    page.get_by_role("tab", name=name).click()
    return page.get_by_role("tabpanel", name=name)


def stroke(page: Any, place: Any, points: list[tuple[float, float]]) -> None:
    """Drags the mouse; points are shares of a place."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


def test_faces_are_asked_for_varied_kept_and_downloaded(visit, tmp_path):
    page = visit()
    panel = to(page, "Ask")
    panel.get_by_text("blue", exact=True).first.click()
    panel.get_by_role("button", name="smile: open").click()
    panel.get_by_role("button", name="hat: open", exact=True).dblclick()
    panel.get_by_label("Faces", exact=True).fill("3")
    panel.get_by_role("button", name="Draw faces").click()
    panel.get_by_text("3 faces of diffusion/toy").wait_for()
    face = panel.locator("figure").first
    assert "blue hair, smile, -hat" in face.locator("img").get_attribute("alt")
    face.get_by_role("button", name="keep").click()
    face.locator(".picture").click()
    command = page.get_by_role("dialog").locator("textarea").input_value()
    assert command.startswith("anime-gen sample ")
    assert "'--tags=blue hair, smile, -hat'" in command
    with page.expect_download() as download:
        page.get_by_role("link", name="Download PNG").click()
    download.value.save_as(tmp_path / "face.png")
    assert json.loads(Image.open(tmp_path / "face.png").info["anime_gen"])["command"] == command
    page.keyboard.press("Escape")
    face.get_by_role("button", name="more like this").click()
    panel.locator("figcaption", has_text="near").nth(2).wait_for()
    page.reload()
    page.locator("body[data-ready]").wait_for()
    assert page.locator(".kept figure").count() == 1


def test_it_goes_by_keyboard_alone(visit):
    page = visit()
    page.get_by_role("tab", name="Ask").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    panel = page.get_by_role("tabpanel", name="Place landmarks")
    panel.get_by_text("The face is as the points are.").wait_for()
    chin = panel.get_by_role("button", name="chin")
    before = panel.locator(".faces img").get_attribute("src")
    chin.focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowUp")
    assert "chin: 50 % across, 56 % down" in chin.get_attribute("aria-label")
    page.wait_for_timeout(500)
    panel.get_by_text("The face is as the points are.").wait_for()
    assert panel.locator(".faces img").get_attribute("src") != before
    panel = to(page, "Draw")
    panel.get_by_role("application").focus()
    for key in ("ArrowUp", "Space", "ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    panel.get_by_text("1 stroke; this one").wait_for()
    panel = to(page, "Ask")
    panel.get_by_role("radio", name="any").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    panel.get_by_text("8 faces of").wait_for()
    assert "aqua hair" in panel.locator("figure img").first.get_attribute("alt")


def test_every_stroke_is_answered_and_can_be_undone(visit):
    page = visit()
    panel = to(page, "Draw")
    paper = panel.get_by_role("application")
    stroke(page, paper, [(0.2, 0.3), (0.5, 0.8), (0.8, 0.3)])
    panel.get_by_text("1 stroke; this one").wait_for()
    panel.get_by_text("How it samples").click()
    panel.get_by_label("steps").fill("2")
    panel.get_by_label("steps").press("Tab")
    panel.get_by_role("img", name="after 1 stroke").nth(1).wait_for()
    panel.locator("figure .picture").click()
    assert "--sketch=sketch.png --steps=2" in page.get_by_role("dialog").locator("textarea").input_value()
    page.keyboard.press("Escape")
    panel.get_by_text("eraser").click()
    stroke(page, paper, [(0.3, 0.5), (0.7, 0.5)])
    panel.get_by_text("2 strokes; this one").wait_for()
    assert panel.get_by_role("img", name="after 2 strokes").count() == 1
    panel.get_by_role("button", name="Undo").click()
    panel.get_by_text("1 stroke; this one").wait_for()
    first, again = panel.get_by_role("img", name="after 1 stroke"), panel.locator(".strip img").first
    assert first.nth(1).get_attribute("src") == again.get_attribute("src"), "the same paper"
    panel.get_by_role("button", name="New paper").click()
    panel.get_by_text("The paper is empty.").wait_for()


def test_points_are_dragged_both_sides_at_once(visit):
    page = visit()
    panel = to(page, "Place landmarks")
    panel.get_by_text("The face is as the points are.").wait_for()
    stroke(page, panel.locator(".stage"), [(0.658, 0.42), (0.7, 0.5)])
    assert "70 % across, 50 % down" in panel.get_by_role("button", name="left eye pupil").get_attribute("aria-label")
    assert "30 % across, 50 % down" in panel.get_by_role("button", name="right eye pupil").get_attribute("aria-label")


def test_runs_are_compared_and_voted_on(visit):
    page = visit()
    panel = to(page, "Compare")
    panel.get_by_text("brown", exact=True).first.click()
    panel.get_by_role("button", name="Compare").click()
    panel.get_by_text("8 faces by 2 runs.").wait_for()
    assert panel.get_by_text("Told: brown hair.").count() == 2
    assert panel.get_by_role("cell", name="12.5").count() == 1
    assert panel.get_by_text("Not to be compared: num_fake is 64 or 32").count() == 1
    panel = to(page, "Vote")
    panel.get_by_role("button", name="Show a pair").click()
    panel.get_by_role("button", name="Left is better").wait_for()
    assert "toy" not in panel.locator(".panel").inner_text()
    panel.get_by_role("button", name="Left is better").click()
    panel.get_by_text(re.compile("Left was (diffusion|stylegan2)/toy, right was")).wait_for()
    panel.get_by_text("1 vote so far.").wait_for()


def test_a_photo_is_translated_and_a_letter_is_not(visit, tmp_path):
    page = visit()
    panel = to(page, "Translate")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    panel.get_by_label("Photo").set_input_files(tmp_path / "photo.png")
    panel.get_by_text("Low confidence: no face found").wait_for()
    (tmp_path / "letter.png").write_text("Dear studio")
    panel.get_by_label("Photo").set_input_files(tmp_path / "letter.png")
    panel.get_by_text("That file cannot be read as a picture: choose a JPEG").wait_for()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_fits(visit, tmp_path, size, scheme):
    """Screenshots of all tabs lie in the test's folder."""
    from axe_playwright_python.sync_playwright import Axe

    page = visit(size, color_scheme=scheme, bypass_csp=True, has_touch=size is PHONE)
    panel = to(page, "Ask")
    panel.get_by_role("button", name="Draw faces").click()
    panel.get_by_text("8 faces of").wait_for()
    panel.locator("figure").first.get_by_role("button", name="keep").click()
    panel = to(page, "Compare")
    panel.get_by_role("button", name="Compare").click()
    panel.get_by_text("faces by").wait_for()
    panel = to(page, "Vote")
    panel.get_by_role("button", name="Show a pair").click()
    panel.get_by_role("button", name="Left is better").wait_for()
    panel = to(page, "Draw")
    stroke(page, panel.get_by_role("application"), [(0.2, 0.3), (0.5, 0.8), (0.8, 0.3)])
    panel.get_by_text("1 stroke; this one").wait_for()
    for name in TABS:
        to(page, name)
        if name == "Place landmarks":
            page.get_by_text("The face is as the points are.").wait_for()
        page.screenshot(path=str(tmp_path / f"{name}.png"), full_page=True)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= size["width"], name
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
    to(page, "Ask").locator("figure .picture").first.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_page_elsewhere_does_not_drive_it(visit, browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.route("http://elsewhere.example/", lambda asked: asked.fulfill(body="<title>elsewhere</title>"))
    page.goto("http://elsewhere.example/")
    talk = address.replace("http", "ws") + "talk"
    script = """url => new Promise(end => {
        const talk = new WebSocket(url);
        talk.onopen = () => end("in");
        talk.onerror = () => end("out");
    })"""
    assert page.evaluate(script, talk) == "out"
    context.close()
    assert visit().evaluate(script, talk) == "in"
