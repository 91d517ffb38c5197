"""Do our scores agree with torch-fidelity's own pipeline? And the traps of metrics, one named test each.

Networks have random weights of the right form; `make conformance` runs all of this, `make test` what is quick.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_fidelity
from PIL import Image
from torch import nn
from torch_fidelity import feature_extractor_inceptionv3 as reference
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from anime_gen.cli.score import Pictures
from anime_gen.contract import UserError
from anime_gen.images import quantise
from anime_gen.metrics import distances
from anime_gen.metrics.distribution import CMMD, KID, PRDC, FrechetDistance, InceptionScore, KernelDistance
from anime_gen.metrics.extractors import CLIP, DINOv2, Inception, InceptionClean, Torchvision
from anime_gen.metrics.features import Classifier, Network, Seen
from anime_gen.metrics.protocol import Role
from anime_gen.metrics.scores import Scores

SQUEEZENET = Path(__file__).parents[3] / "shared" / "weights" / "squeezenet1_1_features.safetensors"


@pytest.fixture(scope="session")
def inception_weights(tmp_path_factory):
    """A file of InceptionV3's form. Convolutions keep the variance of what they are given, so features differ."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(reference.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = reference.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
            for module in network.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.normal_(network.fc.weight, std=0.3)  # so that classes differ and the Inception score is not 1
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def inception(inception_weights):
    return Inception(inception_weights)


class Mosaic(Classifier):
    """A tiny classifier: 24 random projections of coarse pixels, 10 classes."""

    name, resize, weights_hash, chunk = "mosaic", "area-4", "none", 8
    num_features, num_classes = 24, 10

    def __init__(self):
        super().__init__()
        stream = torch.Generator().manual_seed(5)
        self.register_buffer("projection", torch.randn(48, 24, generator=stream) / 100)
        self.register_buffer("head", torch.randn(24, 10, generator=stream))

    @property
    def device(self):
        return self.projection.device

    def see(self, images):
        coarse = nn.functional.adaptive_avg_pool2d(images.float() - 128, 4).flatten(1)
        features = coarse @ self.projection
        return Seen(features, features @ self.head)


class Wrapped(FeatureExtractorBase):
    """One of our extractors in torch-fidelity's pipeline: the same features, its reading and its distances."""

    extractor: Network

    def __init__(self, name, features_list, **_):
        super().__init__(name, features_list)

    def forward(self, images):
        seen = {"features": self.extractor(images)}
        if "logits" in self.features_list:
            seen["logits"] = self.extractor.logits(images)
        return tuple(seen[name] for name in self.features_list)

    @staticmethod
    def get_provided_features_list():
        return "features", "logits"

    @staticmethod
    def get_default_feature_layer_for_metric(metric):
        return "logits" if metric == "isc" else "features"

    @staticmethod
    def can_be_compiled():
        return False


def save(folder, pictures):
    folder.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / f"{i:04d}.png")
    return folder


@pytest.fixture
def folders(tmp_path, pictures):
    """Real pictures and darker ones, as PNG files."""

    def make(count, size=32):
        fake = (pictures(count, seed=2, size=size).float() * 0.8 + 20).to(torch.uint8)
        return save(tmp_path / "real", pictures(count, seed=1, size=size)), save(tmp_path / "fake", fake)

    return make


def theirs(folders, extractor, subset, **more):
    real, fake = folders
    return torch_fidelity.calculate_metrics(
        input1=str(fake),
        input2=str(real),
        feature_extractor=extractor,
        cuda=False,
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=subset,
        save_cpu_ram=True,
        cache=False,
        verbose=False,
        **more,
    )


def ours(folders, scores):
    together = Scores(scores)
    for role, folder in zip((Role.HELD_OUT, Role.SAMPLE), folders, strict=True):
        for images in Pictures(folder, None):
            together.update(images, role)
    return {scored.name: scored.value for scored in together.compute()}, together


def agree(found, wanted, name):
    assert found[f"fd_{name}"] == pytest.approx(wanted["frechet_inception_distance"], rel=1e-6)
    assert found[f"kid_{name}"] == pytest.approx(wanted["kernel_inception_distance_mean"], rel=1e-6)
    # Theirs are float32 means of zeros and ones.
    assert np.float32(found[f"precision_{name}"]) == np.float32(wanted["precision"])
    assert np.float32(found[f"recall_{name}"]) == np.float32(wanted["recall"])
    assert 0 < wanted["precision"] < 1
    assert 0 < wanted["recall"] < 1


def test_distances_are_torch_fidelitys(folders, monkeypatch):
    both = folders(150)
    monkeypatch.setattr(Wrapped, "extractor", Mosaic(), raising=False)
    torch_fidelity.register_feature_extractor("mosaic", Wrapped)
    wanted = theirs(both, "mosaic", 100, isc=True)
    mosaic = Mosaic()
    found, scores = ours(
        both, [FrechetDistance(mosaic), KID(mosaic, subset_size=100), PRDC(mosaic), InceptionScore(mosaic)]
    )
    agree(found, wanted, "mosaic")
    assert found["is_mosaic"] == pytest.approx(wanted["inception_score_mean"], rel=1e-6)
    assert wanted["inception_score_mean"] > 1.1
    kid, score = scores.scores[1], scores.scores[3]
    assert kid.protocol()["observed"]["std"] == pytest.approx(wanted["kernel_inception_distance_std"], rel=1e-4)
    assert score.protocol()["observed"]["std"]["is_mosaic"] == pytest.approx(wanted["inception_score_std"], rel=1e-6)


@pytest.mark.skipif(not SQUEEZENET.exists(), reason="no SqueezeNet in ../shared/weights")
def test_squeezenet_in_torch_fidelitys_pipeline(folders, monkeypatch):
    both = folders(40)
    network = Torchvision("squeezenet1_1", SQUEEZENET, size=64)
    monkeypatch.setattr(Wrapped, "extractor", network, raising=False)
    torch_fidelity.register_feature_extractor("squeezenet1_1", Wrapped)
    wanted = theirs(both, "squeezenet1_1", 30)
    found, _ = ours(both, [FrechetDistance(network), KID(network, subset_size=30), PRDC(network)])
    agree(found, wanted, "squeezenet1_1")
    assert network.num_features == 512


@pytest.mark.slow
def test_inception_in_torch_fidelitys_own_pipeline(folders, inception, inception_weights):
    both = folders(48)
    path = str(inception_weights)
    wanted = theirs(both, "inception-v3-compat", 40, isc=True, feature_extractor_weights_path=path)
    found, scores = ours(
        both,
        [FrechetDistance(inception), KID(inception, subset_size=40), PRDC(inception), InceptionScore(inception)],
    )
    agree(found, wanted, "inception")
    assert found["is_inception"] == pytest.approx(wanted["inception_score_mean"], rel=1e-3)
    json.dumps([score.protocol() for score in scores.scores])


def test_trap_1_the_resize_has_no_antialias_and_no_half_pixel_centres(inception, inception_weights, pictures):
    images = pictures(2, size=40)
    bare = reference.FeatureExtractorInceptionV3("", ["2048", "logits_unbiased"], str(inception_weights))
    inception.chunk = 2
    seen = inception.look(images)
    for found, wanted in zip(seen, bare(images), strict=True):
        assert torch.equal(found, wanted)
    usual = nn.functional.interpolate(images.float(), (299, 299), mode="bilinear", antialias=True)
    assert (inception.resized(images) - usual).abs().max() > 5


def test_trap_2_clean_and_legacy_never_mix(inception_weights, pictures):
    clean = InceptionClean(inception_weights)
    images = pictures(2, size=40)
    plane = images[1, 2].numpy().astype(np.float32)
    wanted = np.asarray(Image.fromarray(plane, mode="F").resize((299, 299), Image.Resampling.BICUBIC)).clip(0, 255)
    assert np.array_equal(clean.resized(images)[1, 2].numpy(), wanted)
    legacy = Inception(inception_weights)
    assert legacy.weights_hash == clean.weights_hash
    assert (legacy.name, clean.name) == ("inception", "inception_clean")
    assert legacy.resize != clean.resize
    assert FrechetDistance(clean).names == ("fd_inception_clean",)
    clean.chunk = legacy.chunk = 2
    assert (clean(images) - legacy(images)).abs().max() > 1e-3


def test_trap_3_what_a_user_would_save_is_scored(tmp_path):
    floats = torch.tensor([-1.2, -1.0, -0.999, 0.0, 0.0039, 0.999, 1.0, 1.3]).view(1, 1, 2, 4).expand(1, 3, 2, 4)
    (read,) = Pictures(save(tmp_path / "pictures", quantise(floats)), None)
    assert torch.equal(read, quantise(floats))
    assert read[0, 0].flatten().tolist() == [0, 0, 0, 128, 128, 255, 255, 255]


def order_scores():
    """Those whose value depends on the order of the pictures."""
    mosaic = Mosaic()
    return KID(mosaic, subsets=5, subset_size=20), InceptionScore(mosaic, splits=4)


def one_rank(rank, ranks, folder, real, fake):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=ranks)
    found = {}
    for score in order_scores():
        score.update(real[rank::ranks], Role.HELD_OUT)
        for images in fake[rank::ranks].split(6):
            score.update(images, Role.SAMPLE)
        found |= {name: value.item() for name, value in score.compute().items()}
    (folder / f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("ranks", [2, 3])
def test_trap_4_ranks_change_neither_subsets_nor_splits(pictures, tmp_path, ranks):
    real, fake = pictures(41, seed=1), pictures(37, seed=2)
    wanted, shuffled = {}, {}
    for score, other in zip(order_scores(), order_scores(), strict=True):
        score.update(real, Role.HELD_OUT)
        score.update(fake, Role.SAMPLE)
        wanted |= {name: value.item() for name, value in score.compute().items()}
        other.update(real.flip(0), Role.HELD_OUT)
        other.update(fake.flip(0), Role.SAMPLE)
        shuffled |= {name: value.item() for name, value in other.compute().items()}
    torch.multiprocessing.start_processes(one_rank, (ranks, tmp_path, real, fake), ranks, start_method="fork")
    for rank in range(ranks):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == pytest.approx(wanted, rel=1e-4)  # float32 sums
    assert shuffled != pytest.approx(wanted, rel=1e-3)  # the order does matter


def test_trap_5_covariances_are_float64_and_few_pictures_make_no_imaginary_part(pictures):
    mosaic = Mosaic()
    score = FrechetDistance(mosaic)
    score.update(pictures(9, seed=1), Role.HELD_OUT)
    score.update(pictures(9, seed=2), Role.SAMPLE)
    assert score.held_out_outer.dtype == torch.float64
    value = score.compute()["fd_mosaic"]
    real, fake = (mosaic(pictures(9, seed=seed)).double() for seed in (1, 2))
    # |C_a^(1/2) C_b^(1/2)|_1 from the singular values of the centred pictures: no root of a singular matrix.
    a, b = ((side - side.mean(0)) / 8**0.5 for side in (real, fake))
    cross = torch.linalg.matrix_norm(a @ b.T, "nuc")
    wanted = (real.mean(0) - fake.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * cross
    assert value.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert score.protocol()["num_real"] == 9 < score.protocol()["num_features"]


def test_trap_6_subsets_and_splits_are_seeded_and_written_down(pictures):
    mosaic = Mosaic()

    def value(score):
        score.update(pictures(40, seed=1), Role.HELD_OUT)
        score.update(pictures(40, seed=2), Role.SAMPLE)
        return score.compute()[score.names[0]].item()

    for make, words in (
        (lambda seed: KID(mosaic, subsets=3, subset_size=20, seed=seed), {"subsets": 3, "subset_size": 20}),
        (lambda seed: InceptionScore(mosaic, splits=5, seed=seed), {"splits": 5}),
    ):
        torch.manual_seed(1)
        first = value(make(7))
        torch.manual_seed(2)
        assert value(make(7)) == first
        assert value(make(8)) != first
        assert make(7).protocol().items() >= {**words, "seed": 7}.items()


def test_kid_of_all_pictures_once_is_the_distance_of_all_pairs(pictures):
    mosaic = Mosaic()
    kid, kd = KID(mosaic, subsets=2, subset_size=30), KernelDistance(mosaic)
    for score in (kid, kd):
        score.update(pictures(30, seed=1), Role.HELD_OUT)
        score.update(pictures(30, seed=2), Role.SAMPLE)
    assert kid.compute()["kid_mosaic"].item() == pytest.approx(kd.compute()["kd_mosaic"].item(), rel=1e-4)
    larger = KID(mosaic, subset_size=31)
    larger.update(pictures(40, seed=1), Role.HELD_OUT)
    larger.update(pictures(30, seed=2), Role.SAMPLE)
    with pytest.raises(UserError, match="at least 31"):
        larger.compute()


def test_cmmd_is_that_of_its_formula(pictures):
    mosaic = Mosaic()
    score = CMMD(mosaic)
    score.update(pictures(12, seed=1), Role.HELD_OUT)
    score.update(pictures(9, seed=2), Role.SAMPLE)
    x, y = (mosaic(pictures(count, seed=seed)).double() for count, seed in ((12, 1), (9, 2)))
    x, y = x / x.norm(dim=1, keepdim=True), y / y.norm(dim=1, keepdim=True)

    def mean(a, b):
        return torch.exp(-(torch.cdist(a, b) ** 2) / 200).mean()

    wanted = 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))
    assert score.compute()["cmmd_mosaic"].item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.slow
def test_fifty_thousand_pictures_in_flat_memory():
    """Distances of 50,000 x 50,000 features hold no pairwise matrix (20 GB) and no float64 copy of the features."""
    import resource

    x, y = torch.randn(2, 50_000, 96, generator=torch.Generator().manual_seed(0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = distances.kernel_distance(x, y)
    distances.nearest(x[:10_000], y)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert abs(found.item()) < 1e-3
    assert grown < 600, f"{grown:.0f} MB"


def random_file(network, path):
    torch.save(network.state_dict(), path)
    return path


def test_dinov2_reads_a_file_of_its_form(tmp_path, pictures):
    import timm

    network = timm.create_model("vit_small_patch14_dinov2", num_classes=0)
    dino = DINOv2("small", random_file(network, tmp_path / "dino.pth"))
    dino.chunk = 2
    assert dino(pictures(2, size=48)).shape == (2, dino.num_features)
    assert dino.name == "dinov2_small"
    assert torch.equal(dino.network.patch_embed.proj.weight, network.patch_embed.proj.weight)


@pytest.mark.slow
def test_clip_reads_a_file_of_its_form(tmp_path, pictures):
    import open_clip

    tower = open_clip.create_model("ViT-S-32")
    path = random_file(tower, tmp_path / "clip.pt")
    clip = CLIP("ViT-S-32", "none", path, name="clip_small")
    clip.chunk = 2
    images = pictures(2, size=224)
    x = (images / 255 - torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)) / torch.tensor(
        open_clip.OPENAI_DATASET_STD
    ).view(3, 1, 1)
    torch.testing.assert_close(clip(images), tower.eval().encode_image(x), rtol=1e-4, atol=1e-5)
    assert clip(images).shape == (2, clip.num_features)
    with pytest.raises(UserError, match="does not hold its weights"):
        CLIP("ViT-B-32", "openai", path)


def test_absent_damaged_and_foreign_weights_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for make, words in (
        (Inception, ("weights-inception-2015-12-05-6726825d.pth", "--extractor inception=FILE")),
        (Torchvision, ("squeezenet1_1-b8a52dc0.pth",)),
        (DINOv2, ("timm/vit_large_patch14_dinov2.lvd142m",)),
        (CLIP, ("timm/vit_large_patch14_clip_336.openai",)),
    ):
        with pytest.raises(UserError) as told:
            make()
        assert all(word in str(told.value) for word in words)
        assert "\n" not in str(told.value)

    cached = tmp_path / "hub" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    cached.parent.mkdir(parents=True)
    torch.save({"a": torch.zeros(1)}, cached)
    with pytest.raises(UserError, match="damaged"):
        Inception()  # found there, but its hash is not the one that its name tells
    renamed = cached.rename(tmp_path / "mine.pth")
    with pytest.raises(UserError, match="does not hold its weights"):
        Inception(renamed)
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(UserError, match="does not hold its weights"):
        Torchvision("squeezenet1_1", tmp_path / "text.pth")
    with pytest.raises(UserError, match="no such model"):
        Torchvision("squeezenet9")
