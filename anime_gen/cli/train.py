"""fit, validate, test, predict and resume: LightningCLI over the suite's one DataModule and any family."""

from __future__ import annotations

import errno
import os
import shlex
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightning as L
import torch
from jsonargparse import ActionConfigFile, Namespace  # type: ignore[attr-defined]
from jsonargparse.typing import NonNegativeInt, PositiveFloat
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import Logger

from anime_gen.callbacks import Diverged, Evaluation, Part, Ranks, Scale, Scoring
from anime_gen.cli import mistake, out_of_memory, rank, room, said
from anime_gen.cli.bases import with_bases
from anime_gen.cli.going_on import check_batches, going_on
from anime_gen.cli.loggers import IN_THE_RUN, loggers, possible, refused
from anime_gen.cli.machine import fastest_precision, ranks, started_elsewhere
from anime_gen.cli.pace import as_measured, length, measured, said_otherwise
from anime_gen.cli.places import claim, default_run, unclaimed
from anime_gen.cli.quiet import quiet
from anime_gen.contract import GenerativeModule, UserError
from anime_gen.data import AnimeFaces
from anime_gen.files import write_text
from anime_gen.noise import SameFirstWeights
from anime_gen.run.checkpoints import Checkpoints, read_checkpoint
from anime_gen.run.folder import RunFolder, run_of
from anime_gen.run.lock import alone
from anime_gen.settings.aliases import word_today
from anime_gen.settings.parser import OneLineParser, one_line
from anime_gen.settings.registered import check_classes

RUN_VARIABLE = "ANIME_GEN_RUN"

# What the data decides and a family may ask for, by the name of its constructor's parameter.
LINKS = ("image_size", "num_tags", "attribute_sizes", "num_landmarks", "text_width")

# Pictures and noise are float32, and so the weights must be.
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "32", "bf16", "16")

# Alternating updates leave one network's parameters without gradients in each backward pass.
SEVERAL = "ddp_find_unused_parameters_true"

# What the system says of a file that cannot grow.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class ConfigFile(ActionConfigFile):
    """Reads a file of settings, and before it what it is based on."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        # A text of settings may stand for a file; Path.is_file complains of a long one.
        files = with_bases(Path(values)) if os.path.isfile(values) else [values]  # noqa: PTH113
        for file in files:
            run = RunFolder(Path(file).parent)
            # Settings that lie in a run's folder may be anybody's.
            if Path(file).name == run.config.name and run.checkpoints.is_dir():
                check_classes(run.settings(), run.config)
            self.apply_config(parser, namespace, self.dest, str(file))


class SuiteParser(OneLineParser):
    """Knows what loggers there may be, and where a run keeps them."""

    def error(self, message: str, ex: Exception | None = None) -> Any:
        text = one_line(message)
        raise UserError(f"{text}; {possible()}" if text.startswith("trainer.logger") else text) from ex

    def add_class_arguments(self, class_type: type, *args: Any, **kwargs: Any) -> list[str]:
        if class_type in IN_THE_RUN:
            kwargs["default"] = IN_THE_RUN[class_type]
        return super().add_class_arguments(class_type, *args, **kwargs)


class SaveSettings(SaveConfigCallback):
    """Writes `config.yaml`, without where this run lies and what it went on from: another run may start from it."""

    def __init__(self, parser: LightningArgumentParser, config: Namespace, **kwargs: Any) -> None:
        shared = config.clone()
        shared.run = shared.ckpt_path = None
        told = shared.trainer.logger
        for logger in told if isinstance(told, list) else [told]:
            # Where wandb is installed its logger has keys that it has not elsewhere.
            if isinstance(logger, Namespace) and "init_args" in logger:
                for name in [name for name, value in logger.init_args.items() if value is None]:
                    del logger.init_args[name]
        super().__init__(parser, shared, save_to_log_dir=False, **kwargs)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            super().setup(trainer, pl_module, stage)

    def save_config(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        # Lightning's own is written in its place at every start: a kill in that would end the run for good.
        write_text(RunFolder.of(trainer).config, self.parser.dump(self.config, skip_none=False))


class Begun(L.Callback):
    """Whether there has been a batch: Lightning's complaints before it are about settings, any after it about code."""

    begun = False
    failed_in_training = False  # and not while it was scored

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self.failed_in_training = trainer.training

    def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
        self.begun = True

    on_validation_batch_start = on_test_batch_start = on_predict_batch_start = on_train_batch_start


class SuiteCLI(LightningCLI):
    """`--run` names the run folder; everything else is Lightning's."""

    def __init__(self, *args: Any, resuming: bool = False, measuring: bool = False, **kwargs: Any) -> None:
        self.arguments: list[str] = kwargs["args"]
        self.resuming = resuming
        self.measuring = measuring
        self.watch = Begun()
        self.loggers: list[Logger] | bool = False
        self.told: Any = None  # of them, by the configuration
        self.again: list[str] | None = None  # with these words, after a rollback
        with ExitStack() as self.held:
            super().__init__(*args, **kwargs)

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # of Lightning's a static method
        """The one that is asked for: each has a parser of all keys, which take their time to be found."""
        return {verb: skipped for verb, skipped in LightningCLI.subcommands().items() if verb in self.arguments[:1]}

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        # A misspelt key is a mistake, not the abbreviation of another one.
        parser = SuiteParser(**{**kwargs, "allow_abbrev": False})
        parser.add_argument("-c", "--config", action=ConfigFile, help="YAML file of settings; later ones win")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(Scoring, "scoring")
        parser.add_argument("--run", type=str | None, default=None, help="run folder; default runs/<family>/<time>")
        parser.add_argument(
            "--minutes",
            type=PositiveFloat | None,
            default=None,
            help="train and score for so long: measures this machine, then fixes data.epoch_images and "
            "trainer.max_epochs, which win where they are given",
        )
        parser.add_argument("--lr_scale", type=PositiveFloat, default=1.0, help="all learning rates, times this")
        parser.add_argument(
            "--rollbacks",
            type=NonNegativeInt,
            default=0,
            help="how many times a run that diverges goes on from its last save, each time with half of the rates",
        )
        if self.measuring:
            # The settings of a run have the keys of its verb, too.
            parser.add_argument("--ckpt_path", type=str | None, default=None)
            parser.add_argument("--weights_only", type=bool | None, default=None)
        for name in LINKS:
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")

    def _parse_ckpt_path(self) -> None:
        """Lightning would merge the checkpoint's hyperparameters into the configuration, linked ones that a family
        does not take included. A run's config.yaml has them all, and keys on the command line must win."""

    def _set_seed(self) -> None:
        try:
            super()._set_seed()
        except ValueError as reason:
            raise UserError("--seed_everything: give a number from 0 to 4294967295") from reason

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand] if self.subcommand else self.config
        if config.trainer.precision is None:
            config.trainer.precision = fastest_precision(config.trainer.accelerator)
        if str(config.trainer.precision) not in PRECISIONS:
            raise UserError(f"--trainer.precision={config.trainer.precision}: it is one of {', '.join(PRECISIONS)}")
        world = ranks(config.trainer)
        checkpoint = config.get("ckpt_path")
        if checkpoint and self.resuming:
            check_batches(RunFolder(Path(config.run)).settings()["data"], config.data, world)
        if checkpoint:
            saved = read_checkpoint(Path(checkpoint))
            # What the checkpoint carries is read from there: where it once came from may be gone.
            for name in saved.get("carried", {}).keys() & config.model.init_args.keys():
                config.model.init_args[name] = Path(checkpoint)
        elif self.subcommand not in (None, "fit"):
            raise UserError(
                f"{self.subcommand}: say which weights, such as --ckpt_path runs/diffusion/NAME/checkpoints/best.ckpt"
            )
        # Further ranks are started as commands of their own: the folder is named once, for all of them.
        told = os.environ.get(RUN_VARIABLE) if rank() else None
        named = config.run or told
        if named is None and started_elsewhere() and world > 1:
            raise UserError("say which run folder, such as --run=runs/dcgan/eight: all processes must know the same")
        config.run = str(named or default_run(self.subcommand, config))
        if not rank() and not self.measuring:
            if self.subcommand and not self.resuming:
                config.run = str(claim(Path(config.run)) if named else unclaimed(Path(config.run)))
            os.environ[RUN_VARIABLE] = config.run
            if self.subcommand:
                self.held.enter_context(alone(RunFolder(Path(config.run))))
        config.trainer.default_root_dir = config.run
        # All but fit write into metrics.json alone.
        told = config.trainer.logger if self.subcommand in (None, "fit") else None
        self.loggers = loggers(told, Path(config.run))
        if config.minutes is not None and self.subcommand == "fit":
            self._spend(config)

    def _spend(self, config: Namespace) -> None:
        """Fixes the length of the run by its minutes; from then on it is a function of pictures."""
        minutes, config.minutes = config.minutes, None
        if self.resuming:
            raise UserError("a run that goes on keeps its length: leave --minutes, or give --trainer.max_epochs")
        files = [Path(str(path)) for path in config.config or []]
        own = [path for path in files if path.parent.name != "family" and path.name != "shared.yaml"]
        if config.ckpt_path or said_otherwise(self.arguments, own):
            return
        epochs = config.trainer.max_epochs if config.trainer.max_epochs and config.trainer.max_epochs > 0 else 1
        batch_size = config.data.batch_size
        with tempfile.TemporaryDirectory() as folder:
            keys = [f"--run={folder}", "--minutes=null", *as_measured(batch_size)]
            pace = measured(suite([*self.arguments[1:], *keys], run=False, measuring=True), config.data.score_images)
        self._set_seed()  # as if nothing had been drawn
        found = length(minutes, pace, epochs, batch_size)
        config.data.epoch_images, config.trainer.max_epochs = found.epoch_images, found.epochs
        if not rank():
            print(
                f"{minutes:g} minutes here: {batch_size / pace.batch_seconds:.0f} images/s, a scoring takes "
                f"{pace.scoring_seconds:.0f} s; so {found.epochs} x {found.epoch_images:,} images",
                file=sys.stderr,
            )

    def instantiate_classes(self) -> None:
        config = self.config[self.subcommand] if self.subcommand else self.config
        # They are made, where they belong; config.yaml has them as they were told.
        self.told, config.trainer.logger = config.trainer.logger, None
        try:
            with SameFirstWeights():
                super().instantiate_classes()
        except Exception as error:
            reason = unbuildable(error)
            if reason is None:
                raise
            raise UserError(reason) from error

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        config = self.config[self.subcommand] if self.subcommand else self.config
        config.trainer.logger = self.told
        kwargs.setdefault("logger", False if self.measuring else self.loggers)
        if config.trainer.accelerator == "auto":
            # Lightning's choice might be Apple's, which has no float64. The run's config.yaml keeps "auto": a run may
            # be scored, or go on, on another machine.
            kwargs.setdefault("accelerator", "cuda" if torch.cuda.is_available() else "cpu")
        if config.trainer.strategy in ("auto", SEVERAL):  # earlier versions wrote the latter where it was "auto"
            kwargs.setdefault("strategy", SEVERAL if ranks(config.trainer) > 1 else "auto")
        try:
            trainer: L.Trainer = super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ValueError, TypeError, OverflowError, ImportError) as error:
            raise UserError(f"trainer: {one_line(str(error))}") from error
        trainer.strategy.checkpoint_io = Checkpoints()
        callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        callbacks.insert(0, Scale(config.lr_scale))
        callbacks += [Evaluation(part for part in callbacks if isinstance(part, Part)), self.watch, Ranks()]
        return trainer

    def _run_subcommand(self, subcommand: str) -> None:
        if checkpoint := self.config[subcommand].get("ckpt_path"):
            self.model.run_folder = run_of(Path(checkpoint))
        try:
            self._run_in_room(subcommand)
        except BaseException as error:
            if rank() and (reason := mistake(error)):
                RunFolder(Path(self.config[subcommand].run)).leave_word(rank(), str(reason))
            # A run that was refused must not keep its name from the next try.
            if subcommand == "fit" and not (self.watch.begun or self.resuming or rank()):
                RunFolder(Path(self.config[subcommand].run)).withdraw()
            raise

    def _run_in_room(self, subcommand: str) -> None:
        try:
            self._run(subcommand)
            return
        except Exception as error:
            # Other ranks may be at another step: none can try anything alone.
            if not (self.watch.failed_in_training and self.trainer.world_size == 1 and out_of_memory(error)):
                raise
            text = said(error)
            room.forget(error)
        # Here nothing holds what did not fit.
        raise UserError(self._no_memory(subcommand, text))

    def _no_memory(self, subcommand: str, text: str) -> str:
        config = self.config[subcommand]
        run, size = RunFolder(Path(config.run)), config.data.batch_size
        print("out of memory: looking for a batch that fits ...", file=sys.stderr)
        words = room.without_run(self.arguments[1:])
        found = room.that_fits(lambda keys: suite([*words, *keys], run=False, measuring=True), size)
        if found is None:
            advice = f"no smaller batch than {size} fits: make data.image_size or a width smaller"
        else:
            advice = (
                f"a batch of {size} does not fit, one of {found} does: begin a new run with --data.batch_size={found}"
            )
        if run.last.exists():
            advice += f"; this one is saved, and needs more memory to go on (make experiment RESUME={run.path})"
        else:
            run.withdraw()
        return f"out of memory: {advice} ({text})"

    def _run(self, subcommand: str) -> None:
        try:
            super()._run_subcommand(subcommand)
        except Diverged as diverged:
            self._roll_back(self.config[subcommand], diverged)
        except (MisconfigurationException, FileNotFoundError, ValueError) as error:
            if self.watch.begun:
                raise
            raise UserError(one_line(str(error))) from error
        except RuntimeError as error:
            if self.watch.begun or "loading state_dict" not in str(error):
                raise
            raise UserError(f"--ckpt_path does not fit these settings: {one_line(str(error))}") from error
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise UserError(self._no_room(subcommand, error)) from error
        except Exception as error:
            reason = None if self.watch.begun else refused(error)
            if reason is None:
                raise
            raise UserError(reason) from error

    def _roll_back(self, config: Namespace, reason: Diverged) -> None:
        """Leaves the words with which the run goes on, or says them."""
        run, rates = RunFolder(Path(config.run)), f"--lr_scale={config.lr_scale / 2:g}"
        if not config.rollbacks:
            raise UserError(
                f"{reason}; what was saved is from before that: to go on with half of the rates: anime-gen resume "
                f"{shlex.quote(config.run)} {rates}"
            ) from reason
        if not rank():
            print(f"{reason}: going on from the last save with {rates}", file=sys.stderr)
        self.again = [*going_on(run), rates, f"--rollbacks={config.rollbacks - 1}"]

    def _no_room(self, subcommand: str, error: OSError) -> str:
        where = f"{error.filename}: " if error.filename else ""
        way = "make room"
        if subcommand == "fit" and self.watch.begun:
            way = f"what was saved is whole: {way}, and go on with make experiment RESUME={self.config[subcommand].run}"
        return f"{where}{os.strerror(error.errno or 0)}; {way}"


def unbuildable(error: BaseException) -> str | None:
    """What torch says of numbers that no network can be built of, in one line; None of any other error.

    jsonargparse wraps what a constructor raises, and some of it twice.
    """
    if mistake(error) is not None:  # said already
        return None
    cause: BaseException = error
    while (below := cause.__cause__ or cause.__context__) is not None:
        cause = below
    if known := mistake(cause):
        return str(known)
    if isinstance(cause, ValueError | ArithmeticError | RuntimeError):
        return f"these settings cannot be built: {one_line(str(cause))}"
    return None


def suite(arguments: list[str], run: bool = True, resuming: bool = False, measuring: bool = False) -> SuiteCLI:
    """The suite's command line; `run=False` only builds data, family and trainer, and takes no subcommand.

    Args:
        arguments: of the command line.
        run: the subcommand that they begin with.
        resuming: in a run folder that there is.
        measuring: in no run folder at all, to be thrown away.
    """
    quiet()
    cli = _suite(arguments, run, resuming, measuring)
    while cli.again is not None:
        arguments = ["fit", *cli.again]
        del cli  # and with it the networks
        cli = _suite(arguments, run, resuming=True)
    return cli


def _suite(arguments: list[str], run: bool, resuming: bool = False, measuring: bool = False) -> SuiteCLI:
    return SuiteCLI(
        GenerativeModule,
        AnimeFaces,
        subclass_mode_model=True,
        args=[word_today(word) for word in arguments],
        run=run,
        seed_everything_default=0,
        auto_configure_optimizers=False,
        save_config_callback=SaveSettings if run else None,
        resuming=resuming,
        measuring=measuring,
        parser_kwargs={
            "prog": "anime-gen",
            "description": "Settings come from YAML files (--config, later ones win) and keys.",
        },
    )


def main(verb: str, arguments: list[str]) -> None:
    """One of Lightning's subcommands, on the suite's data and families."""
    suite([verb, *arguments])
