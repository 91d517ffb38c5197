"""Numbers of pairs: S1's formulas, known colours, the published LPIPS network."""

import math
import shutil

import cv2
import numpy as np
import pytest
import torch
import torchmetrics.functional.image as reference
import torchvision
from safetensors.torch import save_file

from anime_gen.contract import UserError
from anime_gen.metrics.lab import delta_e, srgb_to_lab
from anime_gen.metrics.paired import LPIPS, PSNR, PSNR_AT_MOST, SSIM, LabError, ssim
from anime_gen.metrics.protocol import Role


def pair(pictures, count=20):
    truth = pictures(count, seed=1)
    return (truth.int() + pictures(count, seed=2).int()).div(2).to(torch.uint8), truth


def feed(score, images, truth, cut=7):
    for rows in (slice(0, cut), slice(cut, None)):
        score.update(images[rows], Role.SAMPLE, truth=truth[rows])
    return {name: value.item() for name, value in score.compute().items()}


def test_ssim_is_the_published_one(pictures):
    images, truth = pair(pictures)
    a, b = images.double()[:, :, :20] / 255, truth.double()[:, :, :20] / 255  # not square
    wanted = reference.structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    torch.testing.assert_close(ssim(a, b), wanted, rtol=1e-9, atol=0)
    assert feed(SSIM(), images, truth)["ssim"] == pytest.approx(
        reference.structural_similarity_index_measure(
            images.double() / 255, truth.double() / 255, data_range=1.0
        ).item(),
        rel=1e-9,
    )


def test_ssim_has_s1s_constants():
    """Of flat pictures only C1 is left; of faint stripes and their negative, mostly C2."""
    dark, light = (torch.full((1, 3, 16, 16), value, dtype=torch.uint8) for value in (0, 255))
    assert feed(SSIM(), dark, light)["ssim"] == pytest.approx(0.01**2 / (1 + 0.01**2), rel=1e-9)
    stripes = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    stripes[..., ::2] = 0.02
    taps = torch.exp(-0.5 * (torch.arange(-5, 6) / 1.5) ** 2).double()
    own = float(taps[1::2].sum() / taps.sum())  # how much of the window lies on the stripes
    mean, variance = 0.02 * own, 0.02**2 * own * (1 - own)
    light_term = (2 * mean * (0.02 - mean) + 0.01**2) / (mean**2 + (0.02 - mean) ** 2 + 0.01**2)
    wanted = light_term * (0.03**2 - 2 * variance) / (0.03**2 + 2 * variance)
    assert wanted < 0.7
    assert ssim(stripes, 0.02 - stripes).item() == pytest.approx(wanted, rel=1e-9)
    assert (SSIM().protocol()["c1"], SSIM().protocol()["c2"]) == (0.01**2, 0.03**2)


def test_psnr_by_hand():
    truth = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    images = truth.clone()
    images[0] = 10  # MSE 100
    images[1, 0] = 30  # MSE 300
    wanted = (10 * math.log10(255**2 / 100) + 10 * math.log10(255**2 / 300)) / 2
    assert feed(PSNR(), images, truth, cut=1)["psnr"] == pytest.approx(wanted, rel=1e-6)


def test_equal_pictures_do_not_drown_the_others():
    truth = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    images = truth.clone()
    images[0] = 255  # 0 dB
    assert feed(PSNR(), images, truth, cut=1)["psnr"] == pytest.approx(PSNR_AT_MOST / 2, abs=1e-5)
    assert pytest.approx(10 * math.log10(255**2 * 12), abs=0.01) == PSNR_AT_MOST


def test_lab_of_known_colours():
    """Bruce Lindbloom's calculator, sRGB and D65; his white differs from the matrix' own in the fifth digit."""
    known = {
        (255, 255, 255): (100, 0, 0),
        (0, 0, 0): (0, 0, 0),
        (255, 0, 0): (53.24, 80.09, 67.20),
        (0, 255, 0): (87.73, -86.18, 83.18),
        (0, 0, 255): (32.30, 79.19, -107.86),
        (119, 119, 119): (50.03, 0, 0),
        (1, 1, 1): (0.274, 0, 0),
    }
    colours = torch.tensor(list(known), dtype=torch.uint8).T[:, None]
    found = srgb_to_lab(colours)[:, 0].T
    np.testing.assert_allclose(found.numpy(), np.array(list(known.values())), atol=0.03)
    # OpenCV interpolates in a table: it is off by up to 0.3 itself.
    picture = torch.randint(256, (3, 20, 20), dtype=torch.uint8)
    theirs = cv2.cvtColor((picture.permute(1, 2, 0).numpy() / 255).astype(np.float32), cv2.COLOR_RGB2LAB)
    np.testing.assert_allclose(srgb_to_lab(picture).permute(1, 2, 0).numpy(), theirs, atol=0.4)


def test_colour_error_is_the_mean_over_pixels_and_pairs():
    white, black = (torch.full((2, 3, 8, 8), value, dtype=torch.uint8) for value in (255, 0))
    white[0] = 0
    assert feed(LabError(), white, black, cut=1)["delta_e"] == pytest.approx(50, abs=1e-6)
    assert delta_e(white, white).abs().max() == 0


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    """SqueezeNet of random weights, at the place and by the name that torch hub keeps the published one."""
    hub = tmp_path_factory.mktemp("hub")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1()
    (hub / "hub" / "checkpoints").mkdir(parents=True)
    path = hub / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    torch.save(network.state_dict(), path)
    return path


def test_lpips_is_the_published_one(pictures, squeezenet, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(squeezenet.parents[2]))
    images, truth = pair(pictures)
    wanted = reference.learned_perceptual_image_patch_similarity(images / 127.5 - 1, truth / 127.5 - 1, "squeeze")
    named = tmp_path / "mine.safetensors"
    features = {name: value for name, value in torch.load(squeezenet).items() if name.startswith("features")}
    save_file(features, named)
    plain = tmp_path / "mine.pth"
    shutil.copy(squeezenet, plain)
    for weights in (plain, named):
        score = LPIPS("squeeze", weights)
        assert feed(score, images, truth)["lpips_squeeze"] == pytest.approx(wanted.item(), rel=1e-5)
    assert wanted > 0.01
    assert score.protocol()["extractor_weights"] == LPIPS("squeeze", plain).weights_hash
    features["features.0.bias"] = features["features.0.bias"] + 1
    save_file(features, named)
    assert score.protocol()["extractor_weights"] != LPIPS("squeeze", named).weights_hash


def test_lpips_says_what_to_fetch_and_never_downloads(squeezenet, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)
    with pytest.raises(UserError, match=r"checkpoints/alexnet-owt-7be5be79.pth: fetch .*alexnet-owt-7be5be79.pth"):
        LPIPS()
    other = tmp_path / "other.pth"
    shutil.copy(squeezenet, other)
    with pytest.raises(UserError, match=r"LPIPS: .*other.pth does not hold its weights"):
        LPIPS("alex", other)
    monkeypatch.setenv("TORCH_HOME", str(squeezenet.parents[2]))
    with pytest.raises(UserError, match=r"damaged or not what its name says \(sha256 [0-9a-f]{16}"):
        LPIPS("squeeze")  # random weights under the published name


def test_without_a_true_picture_there_is_no_value(pictures):
    for score in (SSIM(), PSNR(), LabError()):
        score.update(pictures(4), Role.SAMPLE)
        score.update(pictures(4), Role.HELD_OUT, truth=pictures(4))
        assert score.compute() == {}
        score.update(pictures(4), Role.SAMPLE, truth=pictures(4))
        assert list(score.compute()) == list(score.names)
        assert score.protocol()["num_pairs"] == 4
        score.reset()
        assert score.compute() == {}
