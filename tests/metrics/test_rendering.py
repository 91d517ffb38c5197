"""How pictures are rendered is seen without weights, on any pictures, and by what was worked out another way."""

import io

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from PIL import Image

from anime_gen import painter
from anime_gen.contract import UserError
from anime_gen.metrics import distances
from anime_gen.metrics.distribution import PRDC, FrechetDistance, KernelDistance
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.patches import SlicedWasserstein, normalised, patches, sides, sliced_wasserstein
from anime_gen.metrics.protocol import Role
from anime_gen.metrics.pyramid import doubled, halved, laplacian
from anime_gen.metrics.rendering import Rendering, describe
from anime_gen.metrics.scores import Scores, rendering_scores
from anime_gen.metrics.spectrum import SpectrumDistance, radial_spectrum
from anime_gen.noise import normal

SIZE = 32


@pytest.fixture(scope="module")
def faces():
    """Two sets of 150 painted faces."""
    return [
        torch.from_numpy(
            np.stack([painter.render(painter.sample_face(seed, index), SIZE) for index in range(150)])
        ).permute(0, 3, 1, 2)
        for seed in (5, 6)
    ]


def bytes_of(pictures):
    return pictures.round().clamp(0, 255).to(torch.uint8)


def blurred(pictures, sigma=0.6):
    smooth = scipy.ndimage.gaussian_filter(pictures.numpy().astype(np.float32), (0, 0, sigma, sigma))
    return bytes_of(torch.from_numpy(smooth))


def smaller_and_back(pictures, share=2 / 3):
    def there(picture):
        side = round(share * SIZE)
        image = Image.fromarray(picture)
        return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR).resize((SIZE, SIZE)))

    return torch.from_numpy(np.stack([there(p) for p in pictures.permute(0, 2, 3, 1).numpy()])).permute(0, 3, 1, 2)


def noisy(pictures, deviation=8):
    return bytes_of(pictures + deviation * normal(*pictures.shape, generator=torch.Generator().manual_seed(0)))


def compressed(pictures, quality=40):
    def there(picture):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return torch.from_numpy(np.stack([there(p) for p in pictures.permute(0, 2, 3, 1).numpy()])).permute(0, 3, 1, 2)


def chequered(pictures, height=6):
    lines = torch.arange(SIZE)
    return bytes_of(pictures + height * ((lines[:, None] + lines) % 2 * 2 - 1))


def value(score, real, fake):
    score.update(real, Role.HELD_OUT)
    score.update(fake, Role.SAMPLE)
    return {name: float(found) for name, found in score.compute().items()}


@pytest.mark.parametrize("disturbed", [blurred, smaller_and_back, noisy, compressed, chequered])
def test_what_the_judge_forgives_is_seen(faces, disturbed):
    real, fake = faces
    plain = value(FrechetDistance(Rendering()), real, fake)["fd_render"]
    seen = value(FrechetDistance(Rendering()), real, disturbed(fake))["fd_render"]
    assert seen > 2 * plain


def test_undisturbed_it_says_the_same_of_any_pictures(faces):
    """Real pictures are its unit, so that a value needs no table of what is normal."""
    stream = torch.Generator().manual_seed(0)
    grain = bytes_of(127 + 30 * normal(300, 3, SIZE, SIZE, generator=stream) * torch.rand(300, 3, 1, 1))
    painted = value(FrechetDistance(Rendering()), *faces)["fd_render"]
    drawn = value(FrechetDistance(Rendering()), grain[:150], grain[150:])["fd_render"]
    assert painted == pytest.approx(drawn, rel=0.35)


class Numbers(Extractor):
    """Features as they are given, in units of its own."""

    name = "numbers"
    num_features = 3
    resize = "none"
    weights_hash = "none"
    directions = 3

    def __init__(self, unit=(1.0, 1.0, 1.0), zero=0.0):
        super().__init__()
        self.unit, self.zero = torch.tensor(unit), zero

    def forward(self, images):
        return images.float().mean((2, 3)) * self.unit + self.zero


def test_units_do_not_matter(pictures):
    real, fake = pictures(60, seed=1), pictures(60, seed=2)
    for score in (FrechetDistance, PRDC):
        plain = value(score(Numbers()), real, fake)
        assert value(score(Numbers((3.0, 100.0, 0.01), 7.0)), real, fake) == pytest.approx(plain, rel=1e-3)
    assert value(FrechetDistance(Numbers()), real, real)["fd_numbers"] == pytest.approx(0, abs=1e-6)


def test_axes_are_those_along_which_real_pictures_have_unit_variance():
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0)).double()
    x = torch.cat([x, x[:, :1] * 2, torch.zeros(200, 1)], 1)  # one number twice, and one that never moves
    own = distances.Moments(x.mean(0), torch.cov(x.T))
    axes = distances.whitening(own, 48)
    assert axes.shape == (5, 7)
    torch.testing.assert_close(axes @ own.covariance_DD @ axes.T, torch.eye(5).double(), atol=1e-8, rtol=0)
    assert distances.whitening(own, 2).shape == (2, 7)
    assert distances.whitening(own, 0).shape == (0, 7)


def test_a_picture_is_described_alone():
    images = torch.randint(256, (70, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    extractor = Rendering()
    found = extractor(images)
    assert found.shape == (70, extractor.num_features)
    assert found.isfinite().all()
    torch.testing.assert_close(extractor(images[66:]), found[66:])
    for side in (SIZE, 16):
        assert extractor(torch.zeros(1, 3, side, side, dtype=torch.uint8)).isfinite().all()
    with pytest.raises(UserError, match="at least 16 px"):
        extractor(images[:, :, :12, :12])


def test_a_band_is_what_a_gaussian_pyramid_loses():
    x = torch.randn(2, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    levels = laplacian(x, 3)
    assert [level.shape[2] for level, _ in levels] == [20, 10, 5]
    torch.testing.assert_close(levels[0][1] + doubled(halved(x), 20, 20), x)
    even = torch.full((1, 3, 20, 20), 9.0)
    for _, band in laplacian(even, 3):
        torch.testing.assert_close(band[:, :, 4:-4, 4:-4], torch.zeros_like(band[:, :, 4:-4, 4:-4]))
    taps = np.array([1, 4, 6, 4, 1]) / 16
    smooth = scipy.ndimage.correlate1d(
        scipy.ndimage.correlate1d(x[0, 0].numpy(), taps, mode="nearest"), taps, axis=0, mode="nearest"
    )
    torch.testing.assert_close(halved(x)[0, 0], torch.from_numpy(smooth[::2, ::2]))


def test_numbers_are_those_of_the_definition():
    picture = torch.randint(256, (1, 3, 24, 24), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    first = describe(picture)[0].view(3, 4, 7)[1, 0]
    level, band = (part[0, 1].double().numpy() for part in laplacian(picture.float(), 1)[0])
    right, below = np.abs(level[:, 2:] - level[:, :-2]), np.abs(level[2:] - level[:-2])
    wanted = [
        np.log((band**2).mean() + 0.25) / 2, np.log(np.abs(band) + 0.5).mean(),
        np.log(np.sort(np.abs(band).ravel())[band.size * 9 // 10 - 1] + 8),
        np.log(right.mean() + 8), np.log(below.mean() + 8),
        np.log(right + 8).mean(), np.log(below + 8).mean(),
    ]  # fmt: skip
    np.testing.assert_allclose(first.numpy(), wanted, rtol=1e-4)


@pytest.mark.parametrize(("n", "m"), [(50, 50), (50, 170)])
def test_sliced_wasserstein_is_scipys_along_each_direction(n, m):
    stream = torch.Generator().manual_seed(0)
    x, y = torch.randn(n, 4, generator=stream).double(), torch.randn(m, 4, generator=stream).double() * 2 + 1
    toward = torch.nn.functional.normalize(torch.randn(4, 40, generator=stream).double(), dim=0)
    wanted = np.mean([scipy.stats.wasserstein_distance((x @ d).numpy(), (y @ d).numpy()) for d in toward.T])
    found = float(sliced_wasserstein(x, y, toward))
    assert found == pytest.approx(wanted, rel=1e-9 if n == m else 0.02)
    assert float(sliced_wasserstein(y, x, toward)) == pytest.approx(found, rel=1e-9)


def test_patches_are_windows_of_their_picture():
    band = torch.arange(2 * 3 * 20 * 20).float().view(2, 3, 20, 20)
    places = torch.tensor([[0, 0], [13, 2]])
    found = patches(band, places)
    assert found.shape == (4, 3, 49)
    torch.testing.assert_close(found[3].view(3, 7, 7), band[1, :, 13:20, 2:9])
    even = normalised(found).view(4, 3, 49)
    torch.testing.assert_close(even.mean((0, 2)), torch.zeros(3).double(), atol=1e-9, rtol=0)


def test_swd_sees_noise_at_its_level_whatever_the_order(faces):
    real, fake = faces
    plain = value(SlicedWasserstein(SIZE), real, fake)
    assert list(plain) == ["swd_32", "swd_16"]
    seen = value(SlicedWasserstein(SIZE), real, noisy(fake, 15))
    assert seen["swd_32"] > 1.3 * plain["swd_32"]
    assert seen["swd_16"] < 1.3 * plain["swd_16"]
    assert value(SlicedWasserstein(SIZE), real.flip(0), fake[torch.randperm(150)]) == pytest.approx(plain, rel=1e-9)
    assert value(SlicedWasserstein(SIZE), real, real) == pytest.approx({"swd_32": 0, "swd_16": 0}, abs=1e-9)
    assert sides(256) == [256, 128, 64, 32, 16]
    assert sides(24) == [24]


def test_swd_keeps_the_first_pictures_of_many(faces):
    real, fake = faces
    few = SlicedWasserstein(SIZE, pictures=100)
    for part in fake.split(64):
        few.update(part, Role.SAMPLE)
    few.update(real, Role.HELD_OUT)
    found = {name: float(score) for name, score in few.compute().items()}
    assert found == value(SlicedWasserstein(SIZE), real[:100], fake[:100])
    assert few.protocol()["num_fake"] == 100
    few.reset()
    few.update(fake, Role.SAMPLE)
    assert {name: float(score) for name, score in few.compute().items()} == found


def test_white_noise_has_its_variance_on_every_ring():
    noise = bytes_of(
        127 + 12 * normal(300, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)
    )
    spectrum = (10 ** (radial_spectrum(noise) / 10)).mean(0)
    assert spectrum.shape == (SIZE // 2,)
    # The first loses some with the mean under the window.
    np.testing.assert_allclose(spectrum[1:].numpy(), 144, rtol=0.15)
    dark = bytes_of(noise - 50.0)
    assert value(SpectrumDistance(SIZE), noise, dark)["spectrum_db"] < 0.1, "brightness does not count"


def test_a_wave_stands_on_its_ring():
    x = torch.arange(SIZE) / SIZE * 2 * np.pi
    for waves in (3, 9):
        picture = (127 + 60 * torch.cos(waves * x)).expand(1, 3, SIZE, SIZE)
        assert radial_spectrum(bytes_of(picture)).argmax() + 1 == waves


def test_the_spectrum_tells_blur_by_decibels(faces):
    real, fake = faces
    score = SpectrumDistance(SIZE)
    assert value(score, real, real) == {"spectrum_db": 0}
    score.reset_all()
    plain, seen = (
        value(score, real, fake)["spectrum_db"],
        value(SpectrumDistance(SIZE), real, blurred(fake))["spectrum_db"],
    )
    assert plain < 1 < seen
    rings = score.protocol()["observed"]["rings"]
    assert len(rings) == SIZE // 2


def test_tiny_pictures_have_none_and_wrong_ones_are_refused(pictures):
    assert rendering_scores(8) == []
    scores = Scores(rendering_scores(16))
    with pytest.raises(UserError, match="pictures of 16 px a side"):
        scores.update(pictures(4), Role.SAMPLE)
    for score in (SlicedWasserstein(SIZE), SpectrumDistance(SIZE)):
        score.update(pictures(4), Role.SAMPLE)
        with pytest.raises(UserError, match="at least one real and one sampled"):
            score.compute()
    with pytest.raises(UserError, match="at least 16 px"):
        SlicedWasserstein(8)


def test_real_pictures_that_are_all_alike_have_no_unit_of_a_difference(pictures):
    flat = torch.full((8, 3, SIZE, SIZE), 90, dtype=torch.uint8)
    assert value(FrechetDistance(Rendering()), flat, pictures(8)) == {}
    with pytest.raises(UserError, match="all alike to render"):
        value(KernelDistance(Rendering()), flat, pictures(8))
