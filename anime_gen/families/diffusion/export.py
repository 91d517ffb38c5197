"""export: a trained diffusion run as a folder that loads without this package.

    README.md         samples.png           the model card
    model_index.json  pipeline.py           what diffusers' DiffusionPipeline.from_pretrained reads
    scheduler/        scheduler_config.json
    denoiser/         denoiser.safetensors  the averaged weights under the names of the network's parameters
                      denoiser.pt2          the same with the computation, for torch.export.load
                      config.json           architecture, inputs, tensors, defaults
                      vocabulary.json       words, landmarks
                      denoiser.py           what pipeline.py calls

diffusers is not needed to write it.
"""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Mapping
from functools import singledispatch
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from anime_gen.blocks.made import UNKNOWN, Content, Made, ModelCard, Sheet, Weights
from anime_gen.conditions import KINDS, Condition, Facts
from anime_gen.conditions.kind import Words
from anime_gen.conditions.text import NUM_TOKENS, Tokens
from anime_gen.contract import UserError
from anime_gen.families.diffusion.loss import Epsilon, FlowVelocity, Picture, Preconditioned, Target, Velocity
from anime_gen.families.diffusion.module import Denoising, Diffusion, DiffusionSettings
from anime_gen.families.diffusion.sampler import DDIM, DPMSolverPP, Sampler, UniPC
from anime_gen.families.diffusion.schedule import EDM, Discrete, Flow, Schedule
from anime_gen.images import quantise
from anime_gen.run.checkpoints import read_checkpoint
from anime_gen.run.trained import Trained
from anime_gen.vocabulary import ALIASES, LANDMARKS, Vocabulary, canonical

# The version of diffusers whose schedulers the tests compare with ours.
DIFFUSERS = "0.42.0"


class Flat(nn.Module):
    """`Denoising` with tensors only: what a kind is told of, and whether it is active, by the kind's name."""

    def __init__(self, network: Denoising) -> None:
        super().__init__()
        self.network = network
        # An encoder reads one tensor, the kind's first that it needs; what comes with it is not read.
        self.fields = {
            kind: next(field for field in KINDS[kind].fields if field.name in encoder.needs)  # type: ignore[operator]
            for kind, encoder in network.conditions.encoders.items()
        }

    def forward(self, x: Tensor, noise_label: Tensor, given: dict[str, Tensor], active: dict[str, Tensor]) -> Tensor:
        condition = Condition(**{field.name: given[kind] for kind, field in self.fields.items()})
        return self.network(x, noise_label, condition, active)


def inputs_of(module: Diffusion, facts: Facts) -> dict[str, dict[str, Any]]:
    """Name to dtype, shape and the value that says "not given", of all that the exported program takes."""
    size, fields = module.image_size, Flat(module.network).fields
    inputs: dict[str, dict[str, Any]] = {
        "x": {"dtype": "float32", "shape": ["batch", 3, size, size]},
        "noise_label": {"dtype": "float32", "shape": ["batch"]},
    }
    for kind in module.kinds:
        field = fields[kind]
        inputs[kind] = {
            "dtype": str(field.dtype).removeprefix("torch."),
            "shape": ["batch", *field.shape(facts)],
            "not_given": "nan" if math.isnan(field.not_given) else field.not_given,
        }
        if field.name == Tokens.name:
            inputs[kind]["tokens"] = NUM_TOKENS
    return inputs | {f"active_{kind}": {"dtype": "bool", "shape": ["batch"]} for kind in module.kinds}


def program_of(module: Diffusion, inputs: dict[str, dict[str, Any]]) -> torch.export.ExportedProgram:
    """The averaged network as a program for any batch size, on the CPU, in float32."""
    # Contiguous: a copy in channels_last would be saved with its strides, and torch warns of it.
    network = copy.deepcopy(module.network).cpu().float().eval().to(memory_format=torch.contiguous_format)
    # Any size but 1, which would be taken for a constant.
    batch = torch.export.Dim("batch", min=1)
    tensors, shapes = (
        {
            "x": of["x"],
            "noise_label": of["noise_label"],
            "given": {kind: of[kind] for kind in module.kinds},
            "active": {kind: of[f"active_{kind}"] for kind in module.kinds},
        }
        for of in (
            {
                name: torch.zeros(2, *about["shape"][1:], dtype=getattr(torch, about["dtype"]))
                for name, about in inputs.items()
            },
            {name: {0: batch} for name in inputs},
        )
    )
    return torch.export.export(Flat(network), (), tensors, dynamic_shapes=shapes)


def solver(sampler: Sampler) -> tuple[dict[str, Any], bool]:
    """The options of diffusers' DPM solvers that make `sampler`, and whether they do so exactly.

    Deterministic DDIM is DPM-Solver++ of first order, DDPM its stochastic version (Lu et al. 2022, section 4 and 5).
    The rest get the nearest: the same equation, solved at second order.
    """
    options = {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint"}
    if isinstance(sampler, DDIM) and sampler.eta in (0, 1):
        algorithm = "sde-dpmsolver++" if sampler.eta else "dpmsolver++"
        return {**options, "algorithm_type": algorithm, "solver_order": 1}, True
    return options, isinstance(sampler, DPMSolverPP)


class Twin(NamedTuple):
    """A scheduler of diffusers' on the same noise levels as a schedule of ours."""

    config: dict[str, Any]
    noise_label_scale: float  # the network's number of a noise level, over the scheduler's
    exact: bool  # whether it steps as the sampler does


@singledispatch
def scheduler_of(schedule: Schedule, target: Target, sampler: Sampler) -> Twin:
    """The twin of a schedule, with the steps of `sampler` where it has them.

    Raises:
        UserError: diffusers has none for this schedule and target.
    """
    raise UserError(
        f"export: diffusers has no scheduler for {type(schedule).__name__} with {type(target).__name__}; exported are "
        "Linear, Cosine and ZeroTerminalSNR with Epsilon, Velocity or Picture, Flow with FlowVelocity, and EDM with "
        "Preconditioned"
    )


PREDICTION: dict[type[Target], str] = {Epsilon: "epsilon", Velocity: "v_prediction", Picture: "sample"}

# A picture is clipped to [-1, 1] at every step, as ours is: "dynamic" thresholding with a highest threshold of 1.
CLIPPED = {"thresholding": True, "sample_max_value": 1.0}


@scheduler_of.register
def _(schedule: Discrete, target: Target, sampler: Sampler) -> Twin:
    name, (options, exact) = "DPMSolverMultistepScheduler", solver(sampler)
    if isinstance(sampler, UniPC):
        name, options, exact = "UniPCMultistepScheduler", {"solver_order": 2, "solver_type": "bh2"}, True
    before = torch.cat([torch.ones(1, dtype=torch.float64), schedule.alpha_bar[:-1]])
    # Below 1 in float32: the solver divides by alpha, which zero terminal SNR lets become 0. The last level then keeps
    # 2^-24 of the alpha_bar before it, 1e-8 of the picture.
    betas = (1 - schedule.alpha_bar / before).clamp(max=1 - 2**-24)
    zero = bool(schedule.alpha_bar[-1] == 0)
    config = {
        "_class_name": name,
        "num_train_timesteps": schedule.timesteps,
        "trained_betas": betas.tolist(),
        "prediction_type": PREDICTION[type(target)],
        "timestep_spacing": "trailing",
        "final_sigmas_type": "zero",
        "rescale_betas_zero_snr": False,
        **CLIPPED,
        **options,
    }
    # From a level of pure noise ours has no slope to go on with; the solver takes one, of nearly nothing.
    return Twin(config, 1000 / schedule.timesteps, exact and not (zero and options["solver_order"] == 2))


@scheduler_of.register
def _(schedule: Flow, target: Target, sampler: Sampler) -> Twin:
    if not isinstance(target, FlowVelocity):
        return scheduler_of.dispatch(Schedule)(schedule, target, sampler)  # refuses
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0}
    return Twin(config, 1.0, isinstance(sampler, DDIM) and sampler.eta == 0)


@scheduler_of.register
def _(schedule: EDM, target: Target, sampler: Sampler) -> Twin:
    if not isinstance(target, Preconditioned):
        return scheduler_of.dispatch(Schedule)(schedule, target, sampler)  # refuses
    options, exact = solver(sampler)
    config = {
        "_class_name": "EDMDPMSolverMultistepScheduler",
        "sigma_min": schedule.sigma_min,
        "sigma_max": schedule.sigma_max,
        "rho": schedule.rho,
        "sigma_data": target.deviation,
        "prediction_type": "epsilon",  # diffusers' name for the F of eq. 7
        "final_sigmas_type": "zero",
        **CLIPPED,
        **options,
    }
    return Twin(config, 1000.0, exact)


def words_of(vocabulary: Vocabulary) -> dict[str, dict[str, Any]]:
    """What each word that `Vocabulary.parse` reads says: the column of a tag, (group, class) of an attribute."""
    groups = list(vocabulary.attributes.items())
    spoken = {
        *vocabulary.words(),
        *(name for _, names in groups for name in names),
        *(f"{canonical(group)}={name}" for group, names in groups for name in names),
    }
    words: dict[str, dict[str, Any]] = {}
    for word in sorted(spoken):
        try:
            wish = vocabulary.parse(word)
        except UserError:  # a class of two groups, by itself
            continue
        words[word] = {}
        for tag in wish.present:
            words[word]["tag"] = vocabulary.tags.index(tag)
        for group, name in wish.classes.items():
            column = list(vocabulary.attributes).index(group)
            words[word]["attribute"] = [column, vocabulary.attributes[group].index(name)]
    return words


def check(trained: Trained, out: Path) -> Diffusion:
    """The family of a run that can be exported to a folder.

    Raises:
        UserError: the run is of another family or works on latents, or the folder holds something.
    """
    module = trained.module
    if not isinstance(module, Diffusion):
        raise UserError(f"export: {trained.path} is a {type(module).__name__}; only diffusion can be exported")
    if module.space is not None:
        raise UserError(f"export: {trained.path} works on latents, which the exported pipeline cannot decode")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out} holds something already; name a new folder")
    return module


def differences(settings: DiffusionSettings, twin: Twin) -> list[str]:
    """What the exported sampler does otherwise than the run's own, in words."""
    differs = [] if twin.exact else [f"steps of {twin.config['_class_name']} instead of {settings.sampler}"]
    if settings.rescale:
        differs.append("no rescale")
    if settings.interval:
        differs.append("guidance at every noise level")
    return differs


def loadable(trained: Trained, options: Mapping[str, Any], out: Path) -> tuple[dict[str, Content], list[str]]:
    """What loads without this package, by its name in the folder; and what it does otherwise than the run, in words.

    Args:
        trained: the run.
        options: what its family was made with, plain values (a loaded module has the objects made of them).
        out: a new folder.

    Raises:
        UserError: the run cannot be exported, diffusers has no scheduler for it, or the folder holds something.
    """
    module = check(trained, out)
    vocabulary, settings = trained.vocabulary, module.settings
    twin = scheduler_of(module.schedule, module.target, settings.sampler)
    inputs = inputs_of(module, trained.facts)
    weights = {name: tensor.float().cpu().contiguous() for name, tensor in module.averaged.state_dict().items()}
    program = io.BytesIO()
    torch.export.save(program_of(module, inputs), program)
    kinds = module.kinds
    guidance = settings.guidance
    if isinstance(guidance, dict):
        guidance = {kind: guidance[kind] for kind in kinds if kind in guidance}
    written_with = {"_diffusers_version": DIFFUSERS}
    index = {
        "_class_name": ["pipeline", "AnimeFaces"],
        "denoiser": ["denoiser", "Denoiser"],
        "scheduler": ["diffusers", twin.config["_class_name"]],
    }
    config = {
        "class": name_of(module),
        "options": {name: value for name, value in options.items() if not name.startswith("_")},
        "network": name_of(module.network.backbone),
        "schedule": name_of(module.schedule),
        "target": name_of(module.target),
        "image_size": module.image_size,
        "images_shown": trained.images_shown,
        "text": trained.text,
        "kinds": kinds,
        "inputs": inputs,
        "noise_label_scale": twin.noise_label_scale,
        "defaults": {"steps": settings.steps, "guidance": guidance},
        "tensors": {name: list(tensor.shape) for name, tensor in weights.items()},
    }
    words = {
        **vocabulary.as_dict(),
        "landmarks": LANDMARKS,
        "aliases": dict(ALIASES),
        "words": words_of(vocabulary),
    }
    pages = Path(__file__).parent
    files: dict[str, Content] = {
        "denoiser/denoiser.safetensors": Weights(weights),
        "denoiser/denoiser.pt2": program.getvalue(),
        "denoiser/denoiser.py": (pages / "denoiser.py").read_text(encoding="utf-8"),
        "denoiser/config.json": in_json(config),
        "denoiser/vocabulary.json": in_json(words),
        "scheduler/scheduler_config.json": in_json(twin.config | written_with),
        "model_index.json": in_json(index | written_with),
        "pipeline.py": (pages / "pipeline.py").read_text(encoding="utf-8"),
    }
    return files, differences(settings, twin)


def in_json(content: Mapping[str, Any]) -> str:
    """As diffusers writes it."""
    return json.dumps(content, indent=1) + "\n"


def name_of(thing: object) -> str:
    """Where the class of a thing is found."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


# How to draw with the folder, in its card. {options}: what may be asked.
USES = """```python
# pip install torch diffusers
from diffusers import DiffusionPipeline

folder = "."  # this one, or its name on the hub
pipe = DiffusionPipeline.from_pretrained(folder, custom_pipeline=folder, trust_remote_code=True)
pipe({asked}seeds=range(8)).images[0].save("face.png")
```

{options}`pipeline.py` and `denoiser/denoiser.py` are code that this runs: read them before you trust them.
`denoiser/denoiser.pt2` is the network for `torch.export.load`, `denoiser/denoiser.safetensors` are its weights alone,
and `denoiser/config.json` says what it takes. {draws}"""


def uses_of(trained: Trained, words: list[str], differs: list[str]) -> str:
    """How to draw with an exported folder, in Markdown."""
    needs = trained.module.needs
    # The first way to ask for each kind; those that words ask for have one in common.
    options = [kind.options[0].name for kind in KINDS.values() if kind.options and kind.options[0].fields & needs]
    taken = ", ".join(f"`{name}`" for name in options)
    asked = f'tags="{words[0]}", ' if words and "tags" in options else ""
    return USES.format(
        asked=asked,
        options=f"It takes {taken}; `denoiser/vocabulary.json` has the words and landmarks that it knows. "
        if taken
        else "",
        draws=(
            f"Its pictures differ from those of `anime-gen sample`: it draws with {', '.join(differs)}."
            if differs
            else "The same seed draws the picture of `anime-gen sample`."
        ),
    )


def shown_words(trained: Trained, most: int = 4) -> list[str]:
    """What the pictures of a card are asked to be: the classes of the first attribute that is told, or some tags."""
    vocabulary, needs = trained.vocabulary, trained.module.needs
    if "attributes_BA" in needs and vocabulary.attributes:
        group, classes = next(iter(vocabulary.attributes.items()))
        return [vocabulary.spoken(group, name) for name in classes[:most]]
    return list(vocabulary.tags[:most]) if "tags_BT" in needs else []


def samples(trained: Trained, words: list[str], columns: int = 4) -> Sheet:
    """A row of pictures for each of some words; where there are none, a row of what is drawn when nothing is asked."""
    module, seeds = trained.module, list(range(columns))
    conditions = [trained.asked({"tags": Words(word)}) for word in words] or [trained.asked({})]
    rows = [module.sample(one.repeated(columns), seeds) for one in conditions]
    return Sheet(quantise(torch.cat(rows)), columns, captions=words or None)


def export(trained: Trained, out: Path, license: str = UNKNOWN) -> Made:
    """A diffusion run as safetensors, as a torch.export program and as a diffusers pipeline, with a model card.

    Args:
        trained: the run.
        out: a new folder.
        license: of the weights, by the hub's name for it, such as cc-by-4.0; your training pictures decide.

    Raises:
        UserError: the run cannot be exported, diffusers has no scheduler for it, or the folder holds something.
    """
    files, differs = loadable(trained, read_checkpoint(trained.path)["hyper_parameters"], out)
    words = shown_words(trained)
    pipeline = "text-to-image" if words else "unconditional-image-generation"
    files |= {
        "samples.png": samples(trained, words),
        "README.md": ModelCard(license, ["diffusers", "diffusion"], pipeline, uses_of(trained, words, differs)),
    }
    said = [f"{trained.path} after {trained.images_shown:,} images"]
    if differs:
        said.append(f"its pipeline draws with {', '.join(differs)}: its pictures differ from those of anime-gen sample")
    if license == UNKNOWN:
        said.append(
            f"{out / 'README.md'} is its model card; it states no licence: --license cc-by-4.0, or another, does"
        )
    return Made({out / name: content for name, content in files.items()}, "\n".join(said))
