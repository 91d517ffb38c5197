"""Classifier guidance: its mathematics against closed forms, the classifier on toys, the way through the command."""

import json
import math
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from anime_gen import fitting
from anime_gen.contract import Batch, Condition, UserError, unseen
from anime_gen.families.diffusion import (
    DDIM,
    EDM,
    Cosine,
    Diffusion,
    DiffusionSettings,
    Flow,
    Linear,
    Picture,
    train_classifier,
)
from anime_gen.families.diffusion.classifier import NoisedClassifier, gradient, log_likelihood, shift, training_loss
from anime_gen.families.diffusion.network import Backbone
from anime_gen.families.diffusion.schedule import Level
from anime_gen.noise import Noise
from anime_gen.run.trained import Trained


def small(seed=0):
    torch.manual_seed(seed)
    classifier = NoisedClassifier(3, [4, 2], channels=(16, 32))
    for parameter in classifier.parameters():  # some layers begin at zero: make every path count
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return classifier.eval()


ASKED = Condition(
    tags_BT=torch.tensor([[1.0, 0.0, math.nan], [math.nan, math.nan, 1.0], [math.nan] * 3]),
    attributes_BA=torch.tensor([[2, -1], [-1, 1], [-1, -1]]),
)


def test_likelihood_by_hand():
    """Softmax of each group, sigmoid of each tag; present and absent both count, what is not given does not."""
    hair = torch.tensor([[1.0, 2.0, 0.5, -1.0]] * 3)
    eye = torch.tensor([[0.3, -0.3]] * 3)
    tags = torch.tensor([[0.7, 2.0, 9.0]] * 3)
    got = log_likelihood((hair, eye, tags), ASKED)
    sigmoid = lambda x: 1 / (1 + math.exp(-x))  # noqa: E731
    first = math.exp(0.5) / sum(math.exp(x) for x in (1, 2, 0.5, -1)) * sigmoid(0.7) * (1 - sigmoid(2))
    second = sigmoid(-0.6) * sigmoid(9)
    torch.testing.assert_close(got, torch.tensor([math.log(first), math.log(second), 0.0]))
    assert not log_likelihood((hair, eye, tags), Condition()).any()


@pytest.mark.parametrize("schedule", [Cosine(), EDM(), Flow()], ids=["cosine", "edm", "flow"])
def test_gradient_against_finite_differences(schedule):
    classifier = small().double()
    level = schedule.levels(4)[2]
    x = torch.randn(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = gradient(classifier, x, level, ASKED)

    def likelihood(x):
        told, a, s = (torch.full((3, 1, 1, 1), value, dtype=torch.float64) for value in level)
        return log_likelihood(classifier(x, told[:, 0, 0, 0].float(), a, s), ASKED)

    step = 1e-5 * math.hypot(level.alpha, level.sigma)
    for place in ((0, 0, 0), (1, 3, 4), (2, 7, 7)):
        moved = torch.zeros_like(x)
        moved[:, *place] = step
        slope = (likelihood(x + moved) - likelihood(x - moved)) / (2 * step)
        torch.testing.assert_close(found[:, *place], slope, rtol=1e-6, atol=1e-10)
    assert bool(found[:2].flatten(1).any(1).all())
    assert not found[2].any(), "nothing was asked of the third picture"


def test_gradient_where_lightning_scores():
    """In inference mode, from tensors that were made in it; the mode and the arguments stay as they were."""
    classifier, level = small(), Level(500.0, 0.6, 0.8)
    x = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    plain = gradient(classifier, x, level, ASKED)
    with torch.inference_mode():
        there = gradient(classifier, x + 0, level, ASKED.map(lambda part: part + 0))
        assert torch.is_inference_mode_enabled()
    torch.testing.assert_close(there, plain, rtol=0, atol=0)
    assert not plain.requires_grad


def test_pure_noise_shows_nothing():
    x = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    assert not shift(small(), x, Level(1000.0, 0.0, 1.0), ASKED).any()
    # Close to it sigma^2 / alpha grows without bound, but the guidance does not.
    near, nearer = (shift(small(), x, Level(999.0, alpha, 1.0), ASKED) for alpha in (1e-3, 1e-6))
    assert float(nearer[:2].abs().max()) > 1e-3
    torch.testing.assert_close(nearer, near, rtol=0.05, atol=0.05 * float(near.abs().max()))


# Two classes of pictures of three numbers, N(+-MEAN, VARIANCE): the log-odds are linear in the noisy picture.
MEAN = torch.tensor([0.3, -0.2, 0.1])
VARIANCE = 0.01


def log_odds(x, a, s):
    """log p(y = 1 | x_t) - log p(y = 0 | x_t), (B,)."""
    return 2 * (a * x * MEAN[:, None, None]).sum((1, 2, 3)) / (a**2 * VARIANCE + s**2).flatten()


def posterior_mean(x, a, s, mean):
    """E[x_0 | x_t] of N(mean, VARIANCE)."""
    return mean + a * VARIANCE / (a**2 * VARIANCE + s**2) * (x - a * mean)


class ExactClassifier(nn.Module):
    needs = frozenset({"attributes_BA"})

    def forward(self, x, noise_label_B, a, s):
        odds = log_odds(x, a, s)
        return torch.stack([torch.zeros_like(odds), odds], 1), x.new_zeros(len(x), 0)


class ExactMixture(Backbone):
    """E[x_0 | x_t] of both classes together, unconditional: what a network trained without labels tends to."""

    vector, latent, patch, in_channels = 8, 8, 1, 3

    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule

    def check(self, image_size, factor=1):
        pass

    def forward(self, x, noise_label_B, guide):
        a, s = (scale.float()[:, None, None, None] for scale in self.schedule.scales(noise_label_B.double() / 1000))
        mean = MEAN[:, None, None]
        p = torch.sigmoid(log_odds(x, a, s))[:, None, None, None]
        return p * posterior_mean(x, a, s, mean) + (1 - p) * posterior_mean(x, a, s, -mean)


def gaussian(schedule, **settings):
    module = Diffusion(1, network=ExactMixture(schedule), schedule=schedule, target=Picture())
    module.settings = DiffusionSettings(sampler=DDIM(), **settings)
    module.__dict__["classifier"] = ExactClassifier()
    return module.eval()


def drawn(module, condition, x, level):
    return module.denoiser(condition, len(x), module.settings)(x, level)


@pytest.mark.parametrize("schedule", [Linear(), Cosine(), Flow()], ids=["linear", "cosine", "flow"])
def test_scale_1_is_bayes_rule(schedule):
    """E[x_0 | x_t] + sigma^2 / alpha grad log p(y | x_t) = E[x_0 | x_t, y], at every level."""
    module = gaussian(schedule, classifier_scale=1.0)
    classes = torch.tensor([[1], [0], [-1]])
    generator = torch.Generator().manual_seed(0)
    for level in schedule.levels(8)[1:-1]:
        x = level.alpha * 0.3 + math.hypot(level.sigma, 0.1) * torch.randn(3, 3, 1, 1, generator=generator)
        with torch.no_grad():
            x_0 = drawn(module, Condition(attributes_BA=classes), x, level)
            plain = drawn(gaussian(schedule), Condition(attributes_BA=classes), x, level)
        a, s = torch.tensor(level.alpha), torch.tensor(level.sigma)
        for row, sign in ((0, 1), (1, -1)):
            exact = posterior_mean(x, a, s, sign * MEAN[:, None, None])[row].clamp(-1, 1)
            torch.testing.assert_close(x_0[row], exact, rtol=1e-4, atol=1e-5)
            assert float((plain[row] - exact).abs().max()) > 1e-3 or level.sigma < 0.5
        torch.testing.assert_close(x_0[2], plain[2])


def test_samples_have_the_mean_of_the_class_that_is_asked():
    """An unconditional denoiser and the exact classifier sample the conditional distribution, in closed form."""
    count = 1500
    classes = torch.tensor([[1]] * (count // 2) + [[0]] * (count // 2))

    def moments(scale):
        module = gaussian(Flow(), steps=100, guidance=1.0, classifier_scale=scale)
        with torch.no_grad():
            x = module.generate(Condition(attributes_BA=classes), Noise(range(count)), module.settings, unseen)[
                ..., 0, 0
            ]
        return [(part.mean(0), part.var(0)) for part in x.chunk(2)]

    noise = 4 * math.sqrt(VARIANCE / (count / 2))  # four standard errors of a mean
    for (mean, variance), sign in zip(moments(1.0), (1, -1), strict=True):
        torch.testing.assert_close(mean, sign * MEAN, rtol=0, atol=noise)
        torch.testing.assert_close(variance, torch.full((3,), VARIANCE), rtol=0.25, atol=0)
    for mean, variance in moments(0.0):
        assert float((mean - MEAN).norm()) > 0.2
        assert float(variance[0]) > 0.05  # both classes
    # Twice the scale is sharper: further from the other class.
    assert float((moments(2.0)[0][0] * MEAN.sign()).min()) > 0.1


def stripes(count, generator):
    """Pictures of 8 px with vertical or horizontal stripes; the tag says that they are reddish."""
    upright = torch.randint(0, 2, (count,), generator=generator)
    red = torch.randint(0, 2, (count,), generator=generator)
    pattern = torch.tensor([0.6, -0.6] * 4).expand(8, 8)
    lines = torch.where(upright[:, None, None].bool(), pattern, pattern.T)[:, None].repeat(1, 3, 1, 1)
    lines[:, 0] += 0.4 * red[:, None, None]
    condition = Condition(tags_BT=red.float()[:, None], attributes_BA=upright[:, None])
    return Batch(lines, condition, torch.arange(count))


class Still(Flow):
    """Always at one level of noise, told as such."""

    def __init__(self, t):
        super().__init__()
        self.t = t

    def training_times(self, u):
        return torch.full_like(u.double(), self.t)


def trained_on(schedule):
    torch.manual_seed(0)
    classifier = NoisedClassifier(1, [2], channels=(8, 16))
    optimizer = torch.optim.Adam(classifier.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(1)
    for _ in range(150):
        loss = training_loss(classifier, schedule, stripes(32, generator))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return classifier.eval()


def accuracy(classifier, t):
    batch = stripes(400, torch.Generator().manual_seed(2))
    a, s = torch.full((400, 1, 1, 1), 1 - t), torch.full((400, 1, 1, 1), t)
    eps = torch.randn(batch.image_BCHW.shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        logits, tags = classifier(a * batch.image_BCHW + s * eps, torch.full((400,), 1000 * t), a, s)
    right = (logits.argmax(1) == batch.condition.attributes_BA[:, 0]).float().mean()
    return float(right), float(((tags > 0) == (batch.condition.tags_BT == 1)).float().mean())


def test_it_learns_from_noisy_pictures():
    """One that trained on noisy pictures reads them; one that trained on clean ones reads only those."""
    noisy, clean = trained_on(Flow()), trained_on(Still(0.01))
    assert min(accuracy(noisy, 0.05)) > 0.95
    assert accuracy(clean, 0.01)[0] > 0.95
    assert accuracy(noisy, 0.6)[0] > 0.9
    assert accuracy(noisy, 0.6)[0] > accuracy(clean, 0.6)[0] + 0.1
    assert accuracy(noisy, 0.999)[0] == pytest.approx(0.5, abs=0.1)


def test_the_noise_in_training_is_the_schedules():
    seen = []

    class Spy(nn.Module):
        def forward(self, x_t, noise_label_B, a, s):
            seen.append((x_t, noise_label_B, a, s))
            return torch.zeros(len(x_t), 2, requires_grad=True), torch.zeros(len(x_t), 1)

    torch.manual_seed(0)
    batch = stripes(2000, torch.Generator().manual_seed(0))
    loss = training_loss(Spy(), Flow(), batch)
    assert loss.item() == pytest.approx(2 * math.log(2))  # one choice of two, one coin
    [(x_t, noise_label_B, a, s)] = seen
    torch.testing.assert_close(noise_label_B / 1000, s.flatten())
    torch.testing.assert_close(a + s, torch.ones_like(a))
    eps = (x_t - a * batch.image_BCHW) / s
    assert float(eps.mean()) == pytest.approx(0, abs=0.01)
    assert float(eps.std()) == pytest.approx(1, abs=0.01)
    assert float((s.logit()).std()) == pytest.approx(1, abs=0.02)  # Flow's own distribution of times


def test_settings():
    assert "classifier" not in repr(DiffusionSettings())
    assert "classifier scale 2.0" in repr(DiffusionSettings(classifier_scale=2.0))
    for wrong in (-1.0, math.nan):
        with pytest.raises(UserError, match=r"classifier_scale=.*give 0"):
            DiffusionSettings(classifier_scale=wrong)


def test_the_interval_holds_for_the_classifier_too():
    level = Level(500.0, 0.5, 0.5)
    x, condition = torch.full((1, 3, 1, 1), 0.1), Condition(attributes_BA=torch.ones(1, 1, dtype=torch.int64))
    made = [
        drawn(gaussian(Flow(), classifier_scale=scale, interval=interval), condition, x, level).detach()
        for scale, interval in ((0.0, None), (1.0, (0.1, 0.9)), (1.0, (0.9, 1.1)))
    ]
    torch.testing.assert_close(made[1], made[0])
    assert not torch.allclose(made[2], made[0])


def settings(**changes):
    return {
        "model": {
            "init_args": {
                "network": {"class_path": "anime_gen.families.diffusion.UNet", "init_args": {"channels": [8, 16]}},
                "settings": {"steps": 2},
                **changes,
            }
        },
        "data": {"image_size": 16, "epoch_images": 16, "score_images": 8},
        "trainer": {"max_epochs": 1, "precision": "32-true"},
    }


def fitted(anime_gen, folder, overlay):
    (folder / "small.yaml").write_text(yaml.safe_dump(overlay))
    yamls = ("experiments/shared.yaml", "experiments/family/diffusion.yaml", "experiments/overlay/debug.yaml")
    done = anime_gen(
        "fit",
        *(word for path in (*yamls, folder / "small.yaml") for word in ("-c", path)),
        "--data.source.faces=200",
        "--run",
        folder / "run",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "run"


@pytest.fixture(scope="module")
def run(anime_gen, tmp_path_factory):
    """Of a network that is told no labels: what it draws of them comes from the classifier alone."""
    overlay = settings(attributes=False, tags=False, landmarks=None)
    return fitted(anime_gen, tmp_path_factory.mktemp("plain"), overlay)


@pytest.fixture(scope="module")
def guided(run, anime_gen, tmp_path_factory):
    copy = tmp_path_factory.mktemp("guided") / "run"
    shutil.copytree(run, copy)
    done = anime_gen("classifier", copy, "--images", 330, "--batch_size", 32)
    assert done.returncode == 0, done.stderr[-3000:]
    return copy, done


def test_the_verb_suggests_what_works(guided, here, tmp_path):
    _, done = guided
    words = shlex.split(done.stdout.splitlines()[-1].split("anime-gen ")[1])
    drawn = here(*words, "--seeds", "0-1", "--out", tmp_path / "x.png")
    assert drawn.returncode == 0, drawn.stderr


def test_the_verb_leaves_a_report(guided):
    path, done = guided
    lines = done.stdout.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("sigma/alpha"))
    assert lines[head].split()[1:] == ["hair", "eye", "gender", "style", "tag", "F1"]
    rows = [[float(word) for word in line.split()] for line in lines[head + 1 : head + 12]]
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert all(0 <= value <= 1 for row in rows for value in row[1:])
    report = json.loads((path / "classifier.json").read_text())
    assert report["schedule"]["name"] == "Cosine"
    assert report["training"]["images"] == 320
    assert report["data"]["pictures"] == {"train": 140, "validation": 30}
    assert set(report["accuracy"]) == set(report["vocabulary"]["attributes"])
    for values in (*report["accuracy"].values(), report["tag_f1"]):
        assert len(values) == len(report["levels"]) == 11
        assert all(0 <= value <= 1 for value in values)
    pixels = np.asarray(Image.open(path / "classifier.png"))
    assert pixels.std() > 10


def test_after_a_ctrl_c_the_same_command_goes_on(guided, run, here, tmp_path, monkeypatch):
    whole, _ = guided
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    words = "classifier", copy, "--images", 330, "--batch_size", 32
    with monkeypatch.context() as patch:
        steps = []

        def interrupted(*arguments):
            if len(steps) == 6:
                raise KeyboardInterrupt
            steps.append(1)
            return training_loss(*arguments)

        patch.setattr(fitting, "SAVE_SECONDS", 0.0)
        patch.setattr(train_classifier, "training_loss", interrupted)
        done = here(*words)
    assert done.returncode == 130
    assert "classifier.safetensors.unfinished: stopped; the same command goes on after 192 images" in done.stderr
    assert not (copy / "classifier.safetensors").exists()
    done = here(*words)
    assert "classifier.safetensors.unfinished: going on after 192 images" in done.stderr
    assert (copy / "classifier.safetensors").read_bytes() == (whole / "classifier.safetensors").read_bytes()
    assert not list(copy.glob("*.unfinished"))


def test_the_classifier_changes_the_pictures(guided, here, tmp_path):
    path, _ = guided
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    pictures = {}
    for name, words in {
        "plain": (),
        "unasked": ("--classifier_scale", "2"),
        "asked": ("--tags", "smile, blue hair", "--classifier_scale", "2"),
    }.items():
        done = here("sample", path, *words, "--seeds", "0-3", "--steps", "4", "--out", tmp_path / f"{name}.png")
        assert done.returncode == 0, done.stderr[-2000:]
        pictures[name] = np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int)
    np.testing.assert_array_equal(pictures["plain"], pictures["unasked"])
    assert np.abs(pictures["asked"] - pictures["plain"]).max() > 0
    assert "without tags" in refused(here("sample", path, "--tags", "smile")), "no scale, no classifier, no words"
    assert before == {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_guided_run_can_be_scored(guided, here, tmp_path):
    path, _ = guided
    done = here("validate", "--config", path / "config.yaml", "--run", tmp_path / "scored", "--ckpt_path",
                path / "checkpoints" / "last.ckpt", "--model.init_args.settings.classifier_scale", "2")  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    records = json.loads((tmp_path / "scored" / "metrics.json").read_text())
    assert '"classifier_scale": 2' in json.dumps(records)
    assert "accuracy_hair" in {record["name"] for record in records}, "it was told the labels"


def refused(result):
    assert result.returncode == 2, result.stderr[-2000:]
    assert "Traceback" not in result.stderr
    return result.stderr.strip().splitlines()[-1]


def test_what_cannot_be_is_refused_in_one_line(run, here, tmp_path):
    line = refused(here("sample", run, "--classifier_scale", "2", "--tags", "smile", "--out", tmp_path / "no.png"))
    assert f"train it with: anime-gen classifier {run}" in line
    assert "fewer than one batch" in refused(here("classifier", run, "--images", "10"))
    assert "--lr=0" in refused(here("classifier", run, "--lr", "0"))
    assert "is no run" in refused(here("classifier", tmp_path / "nothing"))
    assert "name the run first" in refused(here("classifier"))
    assert not list(run.glob("classifier*"))


def test_another_family_is_refused():
    with pytest.raises(UserError, match="runs/other/NAME is a run of Identity; only diffusion"):
        train_classifier.train_classifier(Trained(nn.Identity(), None, None, 0, Path()), None, Path("runs/other/NAME"))


def test_a_run_without_labels_is_refused(run, here, tmp_path):
    """The same run, as if its pictures were a folder without a manifest."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    for i in range(60):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 4 * i, np.uint8)).save(tmp_path / "pictures" / f"{i}.png")
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["data"]["source"] = {
        "class_path": "anime_gen.data.Folder", "init_args": {"path": str(tmp_path / "pictures")}
    }  # fmt: skip
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    for name in ("best", "last"):
        path = copy / "checkpoints" / f"{name}.ckpt"
        saved = torch.load(path, weights_only=True)
        saved["AnimeFaces"]["vocabulary"] = {"tags": [], "attributes": {}}
        torch.save(saved, path)
    assert "neither tags nor attributes" in refused(here("classifier", copy, "--images", "64"))


def test_help(here, anime_gen):
    assert "\n  classifier  RUN: train a classifier" in here("--help").stdout
    told = anime_gen("classifier", "--help").stdout
    assert "--images" in told
    assert "--batch_size" in told
