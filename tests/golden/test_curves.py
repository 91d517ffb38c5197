"""The first losses of every family, as they were: a refactor must leave them alone.

`make golden` writes them anew, for a change that is meant to change training.
"""

import json
from collections.abc import Callable
from pathlib import Path

import lightning as L
import pytest
import torch

from anime_gen.cli.train import suite
from tests.golden.small import FAMILIES, ROOT, NothingIsZero, words

GOLDEN = Path(__file__).with_name("curves.json")
BATCHES = 6


def curve(family: str, style: Callable[..., Path]) -> dict[str, list[float]]:
    cli = suite(words(family, style), run=False)
    found: dict[str, list[float]] = {}

    class Look(L.Callback):
        def on_train_start(self, trainer, pl_module):
            self.was = [parameter.detach().clone() for parameter in pl_module.parameters()]

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            for name, value in outputs.items():
                found.setdefault(name, []).append(float(value))
            moved = [(p.detach() - was).norm() for p, was in zip(pl_module.parameters(), self.was, strict=True)]
            found.setdefault("distance_moved", []).append(float(torch.stack(moved).norm()))

    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=BATCHES,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        precision="64-true",  # so that no processor rounds what a GAN's game would amplify
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[NothingIsZero(), Look()],
    )
    torch.manual_seed(0)
    trainer.fit(cli.model, cli.datamodule)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_first_losses(family, request, monkeypatch, style):
    monkeypatch.syspath_prepend(ROOT / "tests")  # for the pictures
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    found = curve(family, style)
    if request.config.getoption("--refresh-golden"):
        golden[family] = {name: [float(f"{value:.12g}") for value in values] for name, values in sorted(found.items())}
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    assert family in golden, f"no golden curve for {family}: run `make golden`, and look at what it writes"
    assert set(found) == set(golden[family])
    for name, values in golden[family].items():
        # Room for processors that add up in another order, in float64.
        assert found[name] == pytest.approx(values, rel=1e-6, abs=1e-9), name
