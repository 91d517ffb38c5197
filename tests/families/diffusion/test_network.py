"""The networks, and what they are told."""

import pytest
import torch

from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.diffusion import (
    Diffusion,
    DiT,
    LandmarkLatent,
    LandmarkMask,
    LandmarkVector,
    ThesisUNet,
    TowerText,
    TrainedText,
    UNet,
)
from anime_gen.families.diffusion.conditions import Sizes, landmark_map, landmark_mask
from anime_gen.families.diffusion.thesis import SigmoidGELU

SMALL = {
    "unet": lambda: UNet([8, 16]),
    "unet, patches of 1": lambda: UNet([8, 16], patch=1, attention=False),
    "thesis": ThesisUNet,
    "dit": lambda: DiT(width=32, depth=2, heads=2, patch=4),
}
PART = {"attributes": "attributes_BA", "tags": "tags_BT", "text": "caption_BL", "landmarks": "landmarks_BK2",
        "sketch": "sketch_B1HW"}  # fmt: skip


def everything(network="unet", **changes):
    torch.manual_seed(0)
    options = {"num_tags": 5, "attribute_sizes": [3, 2], "num_landmarks": 24, "network": SMALL[network](),
               "text": TrainedText(16, 1, 2), "sketch": True, **changes}  # fmt: skip
    module = Diffusion(16, **options)
    for parameter in module.parameters():  # some layers begin at zero: make every path count
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return module


KINDS = ("attributes", "tags", "text", "landmarks", "sketch")


def told(*kinds, count=2):
    return {kind: torch.full((count,), kind in kinds) for kind in KINDS}


def condition(count=2):
    generator = torch.Generator().manual_seed(1)
    return Condition(
        tags_BT=torch.randint(0, 2, (count, 5), generator=generator).float(),
        attributes_BA=torch.randint(0, 2, (count, 2), generator=generator),
        landmarks_BK2=torch.rand(count, 24, 2, generator=generator),
        visible_BK=torch.ones(count, 24, dtype=torch.bool),
        sketch_B1HW=torch.rand(count, 1, 16, 16, generator=generator),
        caption_BL=torch.nn.functional.pad(torch.randint(1, 99, (count, 6), generator=generator), (0, 58)),
    )


def other(base: Condition, kind: str) -> Condition:
    part = getattr(base, PART[kind])
    changed = 1 - part if kind != "text" else torch.where(part > 0, part + 100, 0)
    return base.replace(**{PART[kind]: changed})


NOTHING = {
    "attributes": lambda part: torch.full_like(part, -1),
    "text": torch.zeros_like,
    "tags": lambda part: torch.full_like(part, torch.nan),
    "landmarks": lambda part: torch.full_like(part, torch.nan),
    "sketch": lambda part: torch.full_like(part, torch.nan),
}


@pytest.mark.parametrize("network", SMALL)
def test_each_condition_reaches_the_picture_and_its_null_hides_it(network):
    module = everything(network).eval()
    assert module.kinds == list(KINDS)
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([3.0, 700.0])
    base = condition()
    plain = module.network(x, t, base, told(*KINDS))
    assert plain.shape == x.shape
    for kind in KINDS:
        assert not torch.allclose(module.network(x, t, other(base, kind), told(*KINDS)), plain, atol=1e-5), kind
        rest = [one for one in KINDS if one != kind]
        hidden = [module.network(x, t, c, told(*rest)) for c in (base, other(base, kind))]
        torch.testing.assert_close(*hidden, rtol=0, atol=0)
        # Not given is the same as not told, and neither is zero, which is a legal value.
        nothing = base.replace(**{PART[kind]: NOTHING[kind](getattr(base, PART[kind]))})
        torch.testing.assert_close(module.network(x, t, nothing, told(*KINDS)), hidden[0])
        zero = base.replace(**{PART[kind]: torch.zeros_like(getattr(base, PART[kind]))})
        if kind != "text":
            assert not torch.allclose(module.network(x, t, zero, told(*KINDS)), hidden[0], atol=1e-5), kind


@pytest.mark.parametrize("network", SMALL)
def test_every_parameter_learns(network):
    """DDP hangs on parameters that a step leaves out, and a null that is never told learns nothing."""
    module = everything(network)
    batch = Batch(torch.randn(64, 3, 16, 16), condition(64), torch.arange(64))
    module.training_step(batch, 0)["loss"].backward()
    silent = [name for name, p in module.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert not silent


def test_some_words_open_is_neither_all_open_nor_absent():
    module = everything().eval()
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([3.0, 700.0])
    base = condition()
    some = base.tags_BT.clone()
    some[:, :3] = torch.nan
    absent = torch.nan_to_num(some, 0.0)
    pictures = [
        module.network(x, t, base.replace(tags_BT=tags), told(*KINDS))
        for tags in (some, absent, torch.full_like(some, torch.nan))
    ]
    assert all(bool(one.isfinite().all()) for one in pictures)
    assert not torch.allclose(pictures[0], pictures[1], atol=1e-5)
    assert not torch.allclose(pictures[0], pictures[2], atol=1e-5)


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


def test_the_thesis_mask_is_standardised():
    mask = landmark_mask(torch.rand(3, 24, 2), 32, 0.6)
    assert mask.shape == (3, 1, 32, 32)
    torch.testing.assert_close(mask.mean((1, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(mask.std((1, 2, 3)), torch.ones(3))
    empty = landmark_mask(torch.full((1, 24, 2), torch.nan), 32, 0.6)
    assert bool(empty.isfinite().all())


def sizes(patch):
    return Sizes([], 0, 24, text_width=0, vector=32, latent=8, patch=patch)


@pytest.mark.parametrize("form", [LandmarkLatent(), LandmarkMask()])
@pytest.mark.parametrize("patch", [1, 2])
def test_a_landmark_acts_where_it_is_at_every_patch(patch, form):
    encoder = form.encoder(sizes(patch))
    corner = torch.full((1, 24, 2), torch.nan)
    corner[0, 3] = torch.tensor([0.1, 0.9])  # to the left, at the bottom
    nowhere = corner.clone()
    nowhere[0, 3] = torch.tensor([0.5, 0.5])
    latent = [encoder(Condition(landmarks_BK2=points), 16, patch)[0] for points in (corner, nowhere)]
    assert latent[0].shape == (1, 8, 16 // patch, 16 // patch)
    changed = (latent[0] - latent[1]).detach().abs().sum(1)[0]
    assert float(changed[0, -1]) < 0.3 * float(changed[-1, 0])


def test_a_landmark_vector_has_no_place():
    encoder = LandmarkVector().encoder(sizes(2))
    latent, given = encoder(condition(), 16, 2)
    assert latent.shape == (2, 32)
    assert given.tolist() == [True, True]


def test_a_towers_features_are_read_through_a_projection_that_begins_as_the_identity():
    module = Diffusion(16, text_width=12, text=TowerText(), network=UNet([8]))
    assert module.needs == {"text_BD"}
    encoder = module.network.conditions.encoders["text"]
    torch.testing.assert_close(encoder.projection.weight, torch.eye(12))
    features = torch.randn(3, 12)
    features[1] = torch.nan
    latent, given = encoder(Condition(text_BD=features), 16, 2)
    assert given.tolist() == [True, False, True]
    assert bool(latent.isfinite().all())
    with pytest.raises(UserError, match=r"data\.text\.weights"):
        Diffusion(16, text=TowerText())


def test_data_without_labels_trains_without_them():
    module = everything(num_tags=0, attribute_sizes=[], num_landmarks=0, text=None, sketch=False)
    assert module.needs == frozenset()
    module.chunk = 2
    assert module.sample(Condition(), [0, 1, 2]).shape == (3, 3, 16, 16)


def test_only_what_is_switched_on_is_told():
    module = everything(attributes=False, tags=False, sketch=False)
    assert module.needs == {"caption_BL", "landmarks_BK2", "visible_BK"}
    assert everything(landmarks=None, text=None).needs == {"tags_BT", "attributes_BA", "sketch_B1HW"}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: UNet([8, 16, 16, 16, 16, 16]), "image_size=20"),
        (lambda: UNet([8, 8, 8], patch=8), r"image_size=20.*multiple of 32"),
        (lambda: UNet([12]), "multiple of 8"),
        (lambda: UNet(patch=0), "patch=0"),
        (ThesisUNet, "multiple of 8"),
        (lambda: DiT(patch=8), "multiple of model.network.patch=8"),
        (lambda: DiT(width=100, heads=8), "multiple of 4"),
    ],
)
def test_impossible_shapes_are_refused(network, message):
    with pytest.raises(UserError, match=message):
        Diffusion(20, network=network())


def test_the_thesis_network_has_the_widths_and_the_activation_it_states():
    network = ThesisUNet()
    assert [stage.layers[-1].layers[3].out_channels for stage in network.down] == [128, 256, 256]
    assert [layer.layers[3].out_channels for layer in network.bottleneck] == [512, 512, 256]
    assert [stage.layers[-1].layers[3].out_channels for stage in network.up] == [128, 64, 64]
    assert float(SigmoidGELU()(torch.tensor(1.0))) == pytest.approx(1 / (1 + 2.718281828**-1.702))
    seen = []
    for name in ("attend_down", "attend_up"):
        for i, attend in enumerate(getattr(network, name)):
            if not isinstance(attend, torch.nn.Identity):
                attend.register_forward_hook(lambda m, args, out, at=(name, i): seen.append((*at, out.shape[-1])))
    module = Diffusion(32, network=network)
    module.chunk = 1
    module.sample(Condition(), [0])
    assert set(seen) == {("attend_down", 0, 16), ("attend_down", 1, 8), ("attend_up", 0, 8), ("attend_up", 1, 16)}


@pytest.mark.parametrize("size", [16, 32, 128])
def test_landmarks_leave_no_denormal_numbers(size):
    """Each costs a processor as much as a hundred others: they took a third of a step's time."""
    points = torch.rand(4, 24, 2, generator=torch.Generator().manual_seed(0))
    for spread in (0.5, 1.0, 2.0):
        map_BKHW = landmark_map(points, size, spread)
        assert not ((map_BKHW > 0) & (map_BKHW < torch.finfo(torch.float32).tiny)).any()
        exact = torch.exp(
            -0.5 * ((torch.arange(size).double() + 0.5) / size - points[..., None].double()).mul(size / spread).square()
        )
        exact = exact[:, :, 1, :, None] * exact[:, :, 0, None, :]
        torch.testing.assert_close(map_BKHW.double(), exact, rtol=1e-3, atol=1e-15)
