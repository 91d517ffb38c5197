"""tradeoff: one trained run, scored at several values of a setting of its sampler."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import yaml

from anime_gen.callbacks import Evaluation, Grids, Part, Summary
from anime_gen.cli.options import Options
from anime_gen.cli.quiet import quiet
from anime_gen.cli.train import SuiteCLI, suite
from anime_gen.contract import UserError
from anime_gen.files import write_bytes, write_text
from anime_gen.metrics.protocol import Record, read, write
from anime_gen.run.checkpoints import read_checkpoint
from anime_gen.run.folder import RunFolder, checkpoint_of
from anime_gen.settings.parser import OneLineParser
from anime_gen.settings.registered import check_classes

# What LightningCLI's subcommands know and a command line without one does not.
OF_SUBCOMMANDS = ("run", "ckpt_path", "weights_only")


def build_parser() -> Options:
    # What it does not know is a key of the suite, which jsonargparse could not leave over.
    parser = Options(
        "anime-gen tradeoff",
        "anime-gen tradeoff --help shows an example",
        usage="anime-gen tradeoff RUN --vary SETTING --over VALUES [--checkpoint NAME] [keys]",
        description="Scores a run at several values of a setting of its sampler: the same validation conditions and "
        "seeds each time. Writes RUN/tradeoff/SETTING/: metrics.json, scores.csv, scores.png, control.png.",
        epilog="anime-gen tradeoff runs/diffusion/NAME --vary guidance.tags --over 0,1,2,4,8 --data.score_images 256. "
        "Keys are those of `anime-gen validate`: --model.settings.steps=10 holds another setting elsewhere. Where a "
        "setting is one number so far, an entry of it leaves its other entries unnamed (guidance: at 1); name them: "
        "--model.settings.guidance='{landmarks: 2}'.",
    )
    parser.add_argument("run", type=Path, help="run folder, such as runs/diffusion/NAME")
    parser.add_argument(
        "--vary", required=True, help="a field of the family's settings, such as steps or guidance.tags"
    )
    parser.add_argument("--over", required=True, help="its values as YAML: 0,1,2,4,8, or names, or [0.1, 2],[0.1, 5]")
    parser.add_argument("--checkpoint", default="best", help="best (by score) or last (default: best)")
    parser.add_argument("--quality", default="fd_judge", help="the score that control is drawn against")
    return parser


def parse_values(text: str) -> list[Any]:
    """ "0,1.5,linear" -> [0, 1.5, "linear"].

    Raises:
        UserError: no list of YAML values, fewer than two, or one twice.
    """
    try:
        values = yaml.safe_load(f"[{text}]")
    except yaml.YAMLError as reason:
        raise UserError(f"--over {text}: give values with commas between them, such as 0,1,2,4") from reason
    if len(values) < 2 or len({repr(value) for value in values}) < len(values):
        raise UserError(f"--over {text}: give at least two values, each once")
    return list(values)


def changed(settings: Any, key: str, value: Any) -> Any:
    """The settings with one of them changed: `key` is a field, or `field.name` for one entry of a mapping.

    Where the field holds no mapping yet, the entry is the only one: the family says what the others then are.

    Args:
        settings: a family's frozen dataclass.
        value: as YAML has it; checked against the field's type.

    Raises:
        UserError: no such field, or no value for it.
    """
    name, _, entry = key.partition(".")
    fields = [field.name for field in dataclasses.fields(settings)] if settings is not None else []
    if name not in fields:
        can = f"; it is one of {', '.join(fields)}" if fields else ": this family's sampler has no settings"
        raise UserError(f"--vary {key}: there is no such setting{can}")
    if entry:
        held = getattr(settings, name)
        value = {**(held if isinstance(held, Mapping) else {}), entry: value}
    parser = OneLineParser(exit_on_error=False)
    parser.add_class_arguments(type(settings))
    try:
        options = parser.instantiate_classes(parser.parse_object({name: value}))
    except UserError as reason:
        raise UserError(f"--over: {reason}") from reason
    return dataclasses.replace(settings, **{name: options[name]})


def opened(run: Path, checkpoint: Path, folder: Path, keys: list[str]) -> SuiteCLI:
    """Data, family and trainer of a run by its own settings and further keys; what they write goes to `folder`.

    Raises:
        UserError: no run, or settings that do not fit.
    """
    settings = {key: value for key, value in RunFolder(run).settings().items() if key not in OF_SUBCOMMANDS}
    check_classes(settings, RunFolder(run).config)
    settings["trainer"]["logger"] = None  # theirs was the training
    # What the checkpoint carries is read from there: where it once came from may be gone.
    for name in read_checkpoint(checkpoint).get("carried", {}):
        settings["model"]["init_args"][name] = str(checkpoint)
    return suite(["--config", yaml.safe_dump(settings), "--run", str(folder), *keys], run=False)


def sweep(run: Path, checkpoint: Path, key: str, values: list[Any], folder: Path, keys: list[str]) -> list[Record]:
    """Scores the run at each value, by the callback that scored it in training.

    Real pictures are looked at once. After each value `folder/metrics.json` holds all so far, each record with the
    value under `system.varied` of its protocol.

    Raises:
        UserError: nothing to score, or no such setting or value.
    """
    cli = opened(run, checkpoint, folder, keys)
    module, trainer, data = cli.model, cli.trainer, cli.datamodule
    module.run_folder = run
    versions = [changed(module.settings, key, value) for value in values]  # all, before the first takes its minutes
    # A grid and a printed table for each value would only bury the sweep's own.
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    kept = [callback for callback in callbacks if not isinstance(callback, Grids | Summary | Evaluation)]
    callbacks[:] = [*kept, Evaluation(part for part in kept if isinstance(part, Part))]
    trainer.loggers = []
    file = RunFolder(folder).metrics
    if trainer.is_global_zero:
        write(file, [])
    found: list[Record] = []
    for value, settings in zip(values, versions, strict=True):
        module.settings = settings
        trainer.validate(module, datamodule=data, ckpt_path=checkpoint, verbose=False, weights_only=True)
        if trainer.is_global_zero:
            for record in read(file)[len(found) :]:
                system = {**record.protocol["system"], "varied": {key: value}}
                found.append(record._replace(protocol={**record.protocol, "system": system}))
            write(file, found)
    return found


def main(verb: str, arguments: list[str]) -> None:
    """Sweeps, prints the table, writes it as CSV and draws it."""
    quiet()
    if arguments and arguments[0].startswith("-") and not {"-h", "--help"} & set(arguments):
        raise UserError("tradeoff: name the run first, such as anime-gen tradeoff runs/diffusion/NAME --vary guidance")
    options, keys = build_parser().parse_known_args(arguments)
    values = parse_values(options.over)
    folder = RunFolder(options.run).tradeoff(options.vary)
    records = sweep(options.run, checkpoint_of(options.run, options.checkpoint), options.vary, values, folder, keys)
    if not records:  # another rank than the first
        return
    from anime_gen.reports import figures, sweeps

    table = sweeps.table(records, options.vary)
    write_text(folder / "scores.csv", table.to_csv())
    print(f"\n{options.run}, {options.vary}:\n{table.T.to_string(float_format=lambda number: format(number, '.4g'))}")
    write_bytes(folder / "scores.png", figures.png(figures.sweep(records, options.vary)))
    drawn = figures.sweep_control(records, options.vary, options.quality)
    if drawn is None:
        print("\nnothing that was asked of the samples depends on it: there is no control to draw quality against")
        (folder / "control.png").unlink(missing_ok=True)  # of an earlier sweep
    else:
        write_bytes(folder / "control.png", figures.png(drawn))
    print(f"\n  {folder}/")
