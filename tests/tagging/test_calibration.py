import pytest
import torch

from anime_gen.tagging.calibration import Calibration, calibrate, calibration_error, platt, temperature, thresholds

NAN = float("nan")


def drawn(slope, offset, count=6000):
    """Logits, and tags of which sigmoid(slope * logit + offset) is the true chance."""
    stream = torch.Generator().manual_seed(0)
    logits = torch.randn(count, generator=stream) * 2
    return logits, (torch.rand(count, generator=stream) < (slope * logits + offset).sigmoid()).float()


def test_slopes_and_offsets_are_found_again():
    columns = [drawn(2.0, -1.0), drawn(0.5, 1.0)]
    logits, tags = (torch.stack(part, 1) for part in zip(*columns, strict=True))
    tags[::3, 1] = NAN
    slope, offset = platt(logits, tags)
    torch.testing.assert_close(slope, torch.tensor([2.0, 0.5]), atol=0.15, rtol=0)
    torch.testing.assert_close(offset, torch.tensor([-1.0, 1.0]), atol=0.15, rtol=0)


def test_few_pictures_move_little_and_none_nothing():
    logits = torch.tensor([[3.0, 1.0, 0.5], [2.0, -1.0, 0.5]])
    slope, offset = platt(logits, torch.tensor([[0.0, NAN, 1], [0, NAN, 1]]))
    assert slope[1] == pytest.approx(1, abs=1e-4)
    assert offset[1] == pytest.approx(0, abs=1e-4)
    assert 0.2 < slope[0] < 1  # two pictures that are wrong, and yet
    assert -1.5 < offset[0] < 0
    assert 0 < offset[2] < 1


def test_a_temperature_is_found_again():
    stream = torch.Generator().manual_seed(0)
    logits = torch.randn(6000, 4, generator=stream) * 3
    classes = torch.multinomial((logits / 2.5).softmax(1), 1, generator=stream).squeeze(1)
    classes[::5] = -1
    assert temperature(logits, classes) == pytest.approx(2.5, abs=0.2)
    assert temperature(logits, torch.full((6000,), -1)) == pytest.approx(1, abs=1e-4)


def test_the_best_threshold_is_found_and_a_few_pictures_are_not_believed():
    p = torch.linspace(0, 1, 1001)[:, None]
    tags = (p > 0.7).float()
    assert thresholds(p, tags)[0] == pytest.approx(0.7, abs=0.02)
    # The second tag's one picture at 0.1 would put its threshold there; the first one's 300 know better.
    rare = torch.zeros(1001, 1)
    rare[100] = 1
    rare[101:] = NAN
    both = thresholds(p.expand(-1, 2), torch.cat([tags, rare], 1))
    assert both[0] == pytest.approx(0.7, abs=0.02)
    assert both[1] == pytest.approx((1 * 0.1 + 10 * 0.7) / 11, abs=0.02)
    assert both[1] > 0.6


def test_thresholds_are_the_best_f1():
    stream = torch.Generator().manual_seed(1)
    p = torch.rand(500, 1, generator=stream)
    tags = (torch.rand(500, 1, generator=stream) < p**2).float()
    tags[::7] = NAN

    def f1(level):
        said, given = p >= level, ~tags.isnan()
        return float(2 * (said & (tags == 1)).sum() / ((said & given).sum() + (tags == 1).sum()))

    assert f1(float(thresholds(p, tags))) == pytest.approx(max(f1(i / 100) for i in range(5, 96)), abs=1e-6)


def test_calibration_error():
    assert calibration_error(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([True, True, False])) == 0
    assert calibration_error(torch.tensor([0.9, 0.9, 0.9, 0.1]), torch.tensor([True, False, False, False])) == (
        pytest.approx((abs(2.7 - 1) + abs(0.1 - 0)) / 4)
    )
    assert calibration_error(torch.empty(0), torch.empty(0, dtype=torch.bool)) == 0


def test_calibrated_probabilities_mean_what_they_say():
    logits, tags = drawn(0.4, -1.5)
    classes = torch.stack([torch.zeros(6000), logits * 3], 1)
    found = calibrate(logits[:, None], tags[:, None], [classes], tags.long()[:, None])
    assert calibration_error(logits.sigmoid(), tags == 1) > 0.15
    assert calibration_error(found.tags(logits[:, None])[:, 0], tags == 1) < 0.03
    assert found.temperature_A[0] > 2
    again = Calibration.from_dict(found.as_dict())
    for ours, theirs in zip(found, again, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert torch.equal(Calibration.none(1, 1).tags(logits[:, None]), logits[:, None].sigmoid())
