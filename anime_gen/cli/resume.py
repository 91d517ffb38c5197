"""`anime-gen resume RUN`."""

from __future__ import annotations

from pathlib import Path

from anime_gen.cli.going_on import going_on
from anime_gen.cli.train import suite
from anime_gen.contract import UserError
from anime_gen.run.folder import RunFolder
from anime_gen.settings.registered import check_classes

RESUME_HELP = """usage: anime-gen resume RUN [--KEY=VALUE ...]

Goes on with a run where it stopped: after Ctrl-C, a crash or a power cut, from its last checkpoint, bit for bit. One
that was stopped before its first save begins anew; of one whose last checkpoint is damaged, the one before serves.

  RUN           run folder, such as runs/diffusion/NAME
  --KEY=VALUE   a setting to go on with instead of the run's own, such as --trainer.max_epochs=8 or
                --lr_scale=0.5, all learning rates times that

anime-gen fit --help lists the keys. make experiment RESUME=RUN does the same."""


def main(verb: str, arguments: list[str]) -> None:
    """`resume RUN [keys]`: fit with the run's own settings, from its last checkpoint, or where it has none, anew."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(RESUME_HELP)
        return
    if not arguments or arguments[0].startswith("-"):
        raise UserError("resume: name the run folder, such as runs/diffusion/NAME")
    run = RunFolder(Path(arguments[0])).existing()
    check_classes(run.settings(), run.config)
    suite(["fit", *going_on(run), *arguments[1:]], resuming=True)
