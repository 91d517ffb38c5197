"""The gallery asks every family for the same faces, none of which it has learned from."""

from types import SimpleNamespace

import torch

from anime_gen import painter
from anime_gen.bench.gallery import COLUMNS, drawn, labels_of, painted, people
from anime_gen.data import PaintedFaces
from anime_gen.families.autoencoder import Autoencoder


def test_columns_hold_what_they_say_in_every_row():
    indices = people(2)
    assert len(set(indices)) == 2 * len(COLUMNS)
    for index, (hair, gender) in zip(indices, [*COLUMNS, *COLUMNS], strict=True):
        classes = painter.labels(painter.sample_face(0, index)).attributes_A
        named = {
            group: names[number]
            for (group, names), number in zip(painter.VOCABULARY.attributes.items(), classes, strict=True)
        }
        assert (named["hair"], named["gender"]) == (hair, gender)


def test_nobody_is_of_a_training_split():
    source = PaintedFaces(faces=20000)
    learned = {source.name("train", row) for row in range(source.count("train"))}
    assert not learned & {f"face {index}" for index in people(1)}


def test_a_family_is_told_what_it_needs_of_their_labels():
    indices = people(1)
    told = {}

    def sample(condition, seeds):
        told.update(condition)
        return torch.zeros(len(seeds), 3, 16, 16)

    module = SimpleNamespace(image_size=16, needs=frozenset({"tags_BT", "attributes_BA"}), sample=sample)
    given, pictures = drawn(SimpleNamespace(module=module), indices)
    assert given is None
    assert pictures.dtype == torch.uint8
    assert set(told) == module.needs
    torch.testing.assert_close(told["tags_BT"], labels_of(indices).tags_BT)
    assert painted(indices, 16).shape == pictures.shape


def test_a_latent_space_copies_the_painted():
    torch.manual_seed(0)
    space = Autoencoder(16, width=8)
    given, pictures = drawn(SimpleNamespace(module=space), people(1))
    torch.testing.assert_close(given, painted(people(1), 16))
    copies = space.decode(space.encode(given.float() / 127.5 - 1))
    assert (pictures.float() - (copies.clamp(-1, 1) + 1) * 127.5).abs().max() < 1
