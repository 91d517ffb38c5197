"""Runs that never were trained, and a studio that serves them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from starlette.testclient import TestClient

from anime_gen.cli.train import suite
from anime_gen.metrics.protocol import Record, write
from anime_gen.studio.app import studio
from anime_gen.studio.shelf import Shelf

ROOT = Path(__file__).resolve().parent.parent.parent
PAINTED = ["--data.source=anime_gen.data.PaintedFaces", "--data.source.faces=64", "--data.image_size=16"]
SMALL = {
    "diffusion": [
        "--model.sketch=true",
        "--model.text=anime_gen.families.diffusion.TrainedText",
        "--model.network.channels=[8,16]",
        "--model.settings.steps=3",
    ],
    "stylegan2": ["--model.width=16", "--model.channel_max=16"],
    "cyclegan": ["--data.image_size=32", "--data.other_domain.people=60", "--model.generators.width=4"],
}


def untrained(folder: Path, family: str) -> Path:
    """A run folder of that family with its first weights."""
    yamls = [
        word for name in ("shared", f"family/{family}") for word in ("-c", str(ROOT / "experiments" / f"{name}.yaml"))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANIME_GEN_RUN", "")
        cli = suite([*yamls, *PAINTED, *SMALL[family]], run=False)
    module, run = cli.model, folder / family / "toy"
    (run / "checkpoints").mkdir(parents=True)
    torch.manual_seed(0)
    for parameter in module.parameters():  # no path may hide behind a layer that begins at zero
        parameter.data += torch.randn_like(parameter) * 0.05
    saved = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams), "epoch": 0, "global_step": 0}
    saved |= {"pytorch-lightning_version": "2.6.6", "AnimeFaces": cli.datamodule.state_dict()}
    module.on_save_checkpoint(saved)
    for name in ("best", "last"):
        torch.save(saved, run / "checkpoints" / f"{name}.ckpt")
    data = cli.config.as_dict()["data"]
    (run / "config.yaml").write_text(yaml.safe_dump({"seed_everything": 0, "data": data}))
    asked = 64 if family == "diffusion" else 32
    protocol = {"split": "validation", "extractor": "judge", "num_fake": 64, "better": "lower"}
    write(run / "metrics.json", [
        Record("fd_judge", 12.5 if family == "diffusion" else 30.0, 64, 1.0, protocol),
        Record("faces", 0.9, 64, 1.0, {**protocol, "better": "higher", "num_fake": asked}),
    ])  # fmt: skip
    return run


@pytest.fixture(scope="session")
def toys(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("toys")
    return {family: untrained(folder, family) for family in SMALL}


class Page:
    """What a page does, without a page."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.socket = client.websocket_connect("ws://localhost/talk", headers={"origin": "http://localhost"})
        self.number = 0

    def send(self, verb: str, **wish: Any) -> int:
        self.number += 1
        self.socket.send_text(json.dumps({"id": self.number, "verb": verb, **wish}))
        return self.number

    def hear(self) -> dict[str, Any]:
        return json.loads(self.socket.receive_text())

    def all_of(self, number: int) -> list[dict[str, Any]]:
        """What is heard of a wish until it is done, or could not be."""
        heard = []
        while not heard or heard[-1]["event"] not in ("done", "error"):
            event = self.hear()
            if event["id"] == number:
                heard.append(event)
        return heard

    def ask(self, verb: str, **wish: Any) -> list[dict[str, Any]]:
        return self.all_of(self.send(verb, **wish))

    def error(self, verb: str, **wish: Any) -> str:
        """The one line of a wish that cannot be."""
        last = self.ask(verb, **wish)[-1]
        assert last["event"] == "error", last
        assert "\n" not in last["text"]
        return last["text"]


@pytest.fixture
def opened(toys: dict[str, Path], tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """A studio of some toys."""
    clients = []

    def serve(*families: str, **options: Any) -> TestClient:
        shelf = Shelf([toys[family] for family in families], device="cpu")
        clients.append(
            TestClient(studio(shelf, tmp_path / "votes.sqlite", **options), base_url="http://localhost").__enter__()
        )
        return clients[-1]

    yield serve
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def page(opened: Callable[..., TestClient]) -> Iterator[Page]:
    """Of a studio that serves the toy diffusion."""
    one = Page(opened("diffusion"))
    with one.socket:
        yield one
