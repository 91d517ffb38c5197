"""Many pages share one thread of models: they wait in line, hear where they stand, and harm nobody."""

from __future__ import annotations

import asyncio
import threading

import pytest

from anime_gen.contract import UserError
from anime_gen.studio.line import Job, Line

from .conftest import Page


class Scene:
    """A line whose work waits to be let go."""

    def __init__(self) -> None:
        self.line = Line()
        self.gate = threading.Semaphore(0)
        self.heard: dict[str, list[dict[str, object]]] = {}

    def join(self, name, fail=None):
        def work(tell):
            self.gate.acquire(timeout=10)
            tell("step")
            if fail:
                raise fail

        self.heard[name] = []
        job = Job(work, self.heard[name].append)
        self.line.join(job)
        return job

    def events(self, name):
        return [(event["event"], event.get("ahead")) for event in self.heard[name]]

    async def until(self, name, event):
        for _ in range(1000):
            if any(one["event"] == event for one in self.heard[name]):
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"{name} never heard {event}: {self.heard[name]}")


def test_who_waits_hears_how_many_are_ahead():
    async def play():
        scene = Scene()
        for name in "abc":
            scene.join(name)
        assert scene.events("c") == [("waiting", 2)]
        scene.gate.release()
        await scene.until("b", "begun")
        assert scene.events("a") == [("begun", None), ("step", None), ("done", None)]
        assert scene.events("b") == [("waiting", 1), ("begun", None)]
        assert scene.events("c") == [("waiting", 2), ("waiting", 1)]
        scene.gate.release(2)
        await scene.until("c", "done")
        scene.line.close()

    asyncio.run(play())


def test_who_leaves_is_silent_and_the_others_move_up():
    async def play():
        scene = Scene()
        at_work, waiting, last = (scene.join(name) for name in "abc")
        scene.line.leave(waiting)
        assert scene.events("c")[-1] == ("waiting", 1)
        scene.line.leave(at_work)
        scene.gate.release(2)
        await scene.until("c", "done")
        assert scene.events("a") == [("begun", None)]
        assert scene.events("b") == [("waiting", 1)]
        scene.line.close()
        assert not last.cancelled

    asyncio.run(play())


def test_what_fails_stops_nobody_and_tells_no_secrets(caplog):
    async def play():
        scene = Scene()
        scene.join("mistake", UserError("steps: at\n least 1"))
        scene.join("fault", RuntimeError("/home/somebody/secret"))
        scene.join("fine")
        scene.gate.release(3)
        await scene.until("fine", "done")
        assert scene.heard["mistake"][-1] == {"event": "error", "text": "steps: at least 1"}
        assert "secret" not in str(scene.heard["fault"][-1])
        scene.line.close()

    asyncio.run(play())
    assert "secret" in caplog.text


def test_the_newest_wish_of_a_verb_wins(page, toys):
    run = str(toys["diffusion"])
    first = page.send("draw", run=run, seeds=list(range(64)))
    other = page.send("ask", run=run, seeds=[1])
    second = page.send("draw", run=run, seeds=[5])
    heard = [page.hear()]
    while (heard[-1]["id"], heard[-1]["event"]) != (second, "done"):
        heard.append(page.hear())
    assert (other, "done") in [(event["id"], event["event"]) for event in heard]
    assert (first, "done") not in [(event["id"], event["event"]) for event in heard]
    assert sum((event["id"], event["event"]) == (first, "face") for event in heard) < 64


def test_a_wish_can_be_taken_back(page, toys):
    run = str(toys["diffusion"])
    page.send("ask", run=run, seeds=list(range(64)))
    page.send("cancel", of="ask")
    last = page.send("draw", run=run, seeds=[0])
    assert page.all_of(last)[-1]["event"] == "done"


def test_a_page_that_goes_away_leaves_the_line(opened, toys):
    client = opened("diffusion")
    gone, stays = Page(client), Page(client)
    with stays.socket:
        with gone.socket:
            gone.send("ask", run=str(toys["diffusion"]), seeds=list(range(64)))
            while gone.hear()["event"] != "face":
                pass
        heard = stays.ask("ask", run=str(toys["diffusion"]), seeds=[1])
        assert [event["event"] for event in heard][-1] == "done"


def test_who_comes_later_need_not_wait_to_see_the_runs(opened, toys):
    client = opened("diffusion")
    first, second = Page(client), Page(client)
    with first.socket, second.socket:
        told = [event for event in first.ask("runs") if event["event"] == "run"]
        first.send("ask", run=str(toys["diffusion"]), seeds=list(range(64)))
        while first.hear()["event"] != "face":
            pass
        assert [{**event, "id": 1} for event in second.ask("runs")] == [*told, {"id": 1, "event": "done"}]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": 1}', '"x"', "nonsense", "[" * 100_000])
def test_nonsense_is_answered(page, text):
    page.socket.send_text(text)
    assert "is no wish" in page.hear()["text"]


def test_a_verb_that_is_none(page):
    assert "there is no 'dance' here" in page.error("dance")
    assert "there is no ['x'] here" in page.error(["x"])
