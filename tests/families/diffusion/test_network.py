"""The U-Net and its encoders."""

import pytest
import torch

from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.diffusion import Diffusion, Epsilon, Linear, Velocity
from anime_gen.families.diffusion.guidance import Told
from anime_gen.families.diffusion.network import landmark_map


def tiny(**changes):
    torch.manual_seed(0)
    options = {"num_tags": 5, "attribute_sizes": [3, 2], "num_landmarks": 24, "channels": [8, 16], **changes}
    module = Diffusion(16, **options)
    for parameter in module.parameters():  # the last layers begin at zero: make every path count
        torch.nn.init.normal_(parameter, std=0.2)
    return module


def told(labels, landmarks, count=2):
    return Told(torch.full((count,), labels), torch.full((count,), landmarks))


def condition(count=2):
    generator = torch.Generator().manual_seed(1)
    return Condition(
        tags_BT=torch.randint(0, 2, (count, 5), generator=generator).float(),
        attributes_BA=torch.randint(0, 2, (count, 2), generator=generator),
        landmarks_BK2=torch.rand(count, 24, 2, generator=generator),
    )


def test_landmark_map_puts_points_where_they_are():
    points = torch.full((1, 24, 2), torch.nan)
    points[0, 3] = torch.tensor([0.25, 0.75])
    drawn = landmark_map(points, 16, 1.0)
    assert drawn.shape == (1, 24, 16, 16)
    assert float(drawn[0, [k for k in range(24) if k != 3]].abs().max()) == 0
    # 0.25 of 16 pixels is the border of columns 3 and 4: both are equally bright, and brightest.
    rows, columns = torch.where(drawn[0, 3] == drawn[0, 3].max())
    assert set(columns.tolist()) == {3, 4}
    assert set(rows.tolist()) == {11, 12}


@pytest.mark.parametrize("patch", [1, 2])
def test_a_landmark_acts_where_it_is_at_every_patch(patch):
    module = tiny(patch=patch, num_tags=0, attribute_sizes=[], attention=False, channels=[8]).eval()
    x, t = torch.zeros(1, 3, 16, 16), torch.tensor([500])
    corner = torch.full((1, 24, 2), torch.nan)
    corner[0, 3] = torch.tensor([0.1, 0.9])  # to the left, at the bottom
    centre = corner.clone()
    centre[0, 3] = torch.tensor([0.5, 0.5])
    latent = [module.network.landmarks(points, told(True, True, 1).landmarks_B, 16) for points in (corner, centre)]
    assert latent[0].shape == (1, 8, 16 // patch, 16 // patch)
    changed = (latent[0] - latent[1]).detach().abs().sum(1)[0]
    assert float(changed[0, -1]) < 0.01 * float(changed[-1, 0])
    assert module.network(x, t, Condition(landmarks_BK2=corner), told(True, True, 1)).shape == x.shape


def test_pictures_that_no_patch_fits_are_refused():
    with pytest.raises(UserError, match=r"image_size=16.*multiple of 32"):
        tiny(patch=8, channels=[8, 8, 8])


def test_each_condition_reaches_the_picture_and_its_null_hides_it():
    module = tiny().eval()
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([3, 700])
    base = condition()
    plain = module.network(x, t, base, told(True, True))
    for part, labels, landmarks in (
        ("tags_BT", False, True),
        ("attributes_BA", False, True),
        ("landmarks_BK2", True, False),
    ):
        other = base._replace(**{part: 1 - getattr(base, part)})
        assert not torch.allclose(module.network(x, t, other, told(True, True)), plain), part
        hidden = [module.network(x, t, c, told(labels, landmarks)) for c in (base, other)]
        torch.testing.assert_close(*hidden, rtol=0, atol=0)


def test_not_given_is_not_absent():
    module = tiny().eval()
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([3, 700])
    base = condition()
    absent = base._replace(tags_BT=torch.zeros(2, 5))
    unknown = base._replace(tags_BT=torch.full((2, 5), torch.nan))
    outputs = [module.network(x, t, c, told(True, True)) for c in (absent, unknown)]
    assert bool(torch.isfinite(outputs[1]).all())
    assert not torch.allclose(*outputs)
    no_class = base._replace(attributes_BA=torch.full((2, 2), -1))
    assert bool(torch.isfinite(module.network(x, t, no_class, told(True, True))).all())
    no_points = base._replace(landmarks_BK2=torch.full((2, 24, 2), torch.nan))
    torch.testing.assert_close(
        module.network(x, t, no_points, told(True, True)), module.network(x, t, base, told(True, False))
    )
    no_words = unknown._replace(attributes_BA=torch.full((2, 2), -1))
    torch.testing.assert_close(
        module.network(x, t, no_words, told(True, True)), module.network(x, t, base, told(False, True))
    )


@pytest.mark.parametrize("target", [Epsilon(), Velocity()])
def test_targets_invert(target):
    x_0, eps = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    bar = Linear().alpha_bar[[200, 900]][:, None, None, None]
    a, s = bar.sqrt(), (1 - bar).sqrt()
    torch.testing.assert_close(target.x_0(target.of(x_0, eps, a, s), a * x_0 + s * eps, a, s), x_0)


def test_every_parameter_learns():
    """DDP hangs on parameters that a step leaves out, and a null that is never told learns nothing."""
    module = tiny()
    batch = Batch(torch.randn(64, 3, 16, 16), condition(64), torch.arange(64))
    module.training_step(batch, 0)["loss"].backward()
    silent = [name for name, p in module.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert not silent


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"channels": [8, 16, 16, 16, 16, 16]}, "image_size=16"), ({"channels": [12]}, "multiple of 8")],
)
def test_impossible_shapes_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        Diffusion(16, **changes)


def test_unconditional():
    module = tiny(num_tags=0, attribute_sizes=[], num_landmarks=0)
    assert module.needs == frozenset()
    module.chunk = 2
    assert module.sample(Condition(), [0, 1, 2]).shape == (3, 3, 16, 16)
