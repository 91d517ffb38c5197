"""`make help-pages`: writes down what `--help` prints. See `anime_gen.cli`."""

from __future__ import annotations

import contextlib
import io
import os
import re
from unittest import mock

from anime_gen.cli import LIGHTNING, PAGES, every_verb, run
from anime_gen.cli.tagger import ACTIONS

# Columns of a page.
WIDTH = "100"

LIGHTNINGS = """usage: anime-gen VERB [-c FILE.yaml ...] [--KEY=VALUE ...]        VERB: {verbs}

Settings come from YAML files (-c, later ones win) and keys. The keys that are used most:

  -c experiments/shared.yaml -c experiments/family/NAME.yaml    what a family is trained with
  --run=FOLDER                  the run folder                  --minutes=10             how long, by the clock
  --data.source.path=FOLDER     with --data.source=anime_gen.data.Folder: your own pictures
  --data.image_size=64          --data.batch_size=32            --data.epoch_images=51200
  --trainer.max_epochs=4        --trainer.devices=2             --trainer.precision=32-true
  --ckpt_path=FILE.ckpt         of validate, test and predict: which weights

  --print_config                all settings, as YAML
  --model.help=CLASS            the keys of one family, such as anime_gen.families.dcgan.DCGAN

All keys:
"""


def asked(name: str, arguments: list[str]) -> str:
    """What a verb's own parser says of it."""
    said = io.StringIO()
    columns = mock.patch.dict(os.environ, {"COLUMNS": WIDTH})
    with columns, contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        run(name, every_verb()[name], arguments)
    text = "\n".join(line.rstrip() for line in said.getvalue().splitlines()) + "\n"
    if name in LIGHTNING:
        # The usage lists every key, as the rest does.
        text = LIGHTNINGS.format(verbs=", ".join(LIGHTNING)) + re.split(r"\n\n", text, maxsplit=1)[1]
    return text


def pages() -> dict[str, str]:
    """Every page by its name."""
    names = [name for name in every_verb() if name not in LIGHTNING[1:]]
    found = {name: asked(name, ["--help"]) for name in names}
    return found | {f"tagger-{action}": asked("tagger", [action, "--help"]) for action in ACTIONS}


def main() -> None:
    PAGES.mkdir(exist_ok=True)
    for old in PAGES.glob("*.txt"):
        old.unlink()
    for name, text in pages().items():
        (PAGES / f"{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
