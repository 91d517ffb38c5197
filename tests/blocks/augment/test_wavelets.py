"""The filters are the wavelets they are called, and their matrices filter a mirrored line."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from anime_gen.blocks.augment.wavelets import MIDDLE, SYM2, SYM6, bands, downsampling, mirrored, upsampling

KIND = (torch.float64, torch.device("cpu"))


def test_mirrors_without_end() -> None:
    line = np.arange(5)
    wanted = np.pad(line, 17, mode="reflect")
    assert mirrored(torch.arange(-17, 22), 5).tolist() == wanted.tolist()


@pytest.mark.parametrize("taps", [SYM2, SYM6])
def test_orthonormal_low_passes(taps: tuple[float, ...]) -> None:
    filter_ = np.array(taps)
    even_lags = np.correlate(filter_, filter_, "full")[len(taps) - 1 :: 2]
    assert even_lags == pytest.approx([1] + [0] * (len(taps) // 2 - 1), abs=1e-11)
    assert filter_.sum() == pytest.approx(2**0.5, abs=1e-11)


def test_sym6_is_the_least_asymmetric_with_six_vanishing_moments() -> None:
    """Daubechies 1992, sections 6.1 and 8.1.1: choose one of each pair of zeros, for the straightest phase."""
    order = 6
    # |H|^2 = 2 cos^12(w / 2) P(sin^2(w / 2)), P(y) = sum_k C(5 + k, k) y^k, y = (2 - z - 1/z) / 4.
    binomials = [1.0, 6.0, 21.0, 56.0, 126.0, 252.0]
    groups: list[list[complex]] = []
    for y in np.roots(binomials[::-1]):
        if y.imag < -1e-9:
            continue  # its conjugate stands for both
        z = np.roots([1, 4 * y - 2, 1])[0]
        groups.append([z, z.conjugate()] if y.imag > 1e-9 else [z])
    found = []
    frequencies = np.linspace(0.01, np.pi / 2, 50)
    for sides in itertools.product((1, -1), repeat=len(groups)):
        zeros = [z**side for group, side in zip(groups, sides, strict=True) for z in group]
        taps = np.poly([*zeros, *[-1] * order]).real
        taps *= 2**0.5 / taps.sum()
        wave = np.exp(-1j * np.outer(frequencies, np.arange(2 * order)))
        phase = np.unwrap(np.angle(wave @ taps))
        bend = np.abs(phase - np.polyval(np.polyfit(frequencies, phase, 1), frequencies)).max()
        found.append((bend, taps))
    straightest = min(found, key=lambda row: row[0])[1]
    assert min(np.abs(np.array(SYM6) - other).max() for other in (straightest, straightest[::-1])) < 1e-7


def test_upsampling_by_hand() -> None:
    line = np.random.default_rng(0).normal(size=9)
    spread = np.zeros(2 * (9 + 24))
    spread[::2] = np.pad(line, 12, mode="reflect")
    filtered = np.convolve(spread, SYM6) * 2**0.5
    wanted = filtered[2 * 12 + MIDDLE :][:17]
    assert (upsampling(9, *KIND) @ torch.from_numpy(line)).numpy() == pytest.approx(wanted, abs=1e-12)


def test_downsampling_undoes_upsampling() -> None:
    """Inside, where nothing is mirrored: the two overlap in all but a few samples of each side."""
    line = torch.randn(20, dtype=torch.float64)
    up, down = upsampling(20, *KIND) @ line, downsampling(20, *KIND)
    padded = torch.cat([torch.zeros(MIDDLE).double(), up, torch.zeros(down.shape[1] - MIDDLE - len(up)).double()])
    assert torch.allclose((down @ padded)[3:-3], line[3:-3], atol=1e-11)
    flat = torch.ones(20, dtype=torch.float64)
    assert torch.allclose(upsampling(20, *KIND) @ flat, torch.ones(39).double())
    assert torch.allclose(down.sum(dim=1), flat)


@pytest.mark.parametrize("side", [4, 9, 64])
def test_bands_sum_to_the_identity(side: int) -> None:
    assert torch.allclose(bands(side, *KIND).sum(dim=0), torch.eye(side).double(), atol=1e-12)


def test_bands_hold_their_octaves() -> None:
    """A wave in the middle of a band comes through mostly in that one."""
    place = torch.arange(256, dtype=torch.float64)
    for band, frequency in enumerate((1 / 32, 3 / 16, 3 / 8, 3 / 4)):
        wave = (torch.pi * frequency * place).cos()
        power = (bands(256, *KIND) @ wave).square().sum(dim=1)
        assert power.argmax() == band
        assert power[band] > 0.5 * wave.square().sum()


def test_bands_by_hand() -> None:
    """Against frequency responses: products of |H|^2 / 2 at w, 2w and 4w."""
    side, row = 64, 32
    response = np.fft.fft(np.roll(bands(side, *KIND)[:, row].numpy(), -row, axis=1), axis=1)
    frequencies = 2 * np.pi * np.arange(side) / side

    def low(octave: int) -> np.ndarray:
        wave = np.exp(-1j * octave * np.outer(frequencies, np.arange(4)))
        share: np.ndarray = np.abs(wave @ np.array(SYM2)) ** 2 / 2
        return share

    wanted = [low(1) * low(2) * low(4), low(1) * low(2) * (1 - low(4)), low(1) * (1 - low(2)), 1 - low(1)]
    assert np.abs(response - np.array(wanted)).max() < 1e-12
