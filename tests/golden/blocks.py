"""Pictures of coloured squares, labels at random: the same bytes on every processor, whatever the painter does."""

import numpy as np

from anime_gen.conditions.text import caption_tokens
from anime_gen.data.source import Filled, Source, content_hash
from anime_gen.vocabulary import NUM_LANDMARKS, Vocabulary

WORDS = Vocabulary(
    ("smile", "hat", "left glove", "right glove", "long hair"),
    {"hair": ("blue", "red", "green"), "eye": ("one", "two")},
)
SQUARES = 4


class Blocks(Source):
    """As many pictures in each split as `pictures`."""

    vocabulary = WORDS
    parts = frozenset(
        {"tags_BT", "attributes_BA", "landmarks_BK2", "visible_BK", "caption_BL", "sketch_B1HW", "tag_confidence_BT",
         "attribute_confidence_BA"}
    )  # fmt: skip

    def __init__(self, pictures: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.pictures = pictures
        self.seed = seed

    def count(self, split):
        return self.pictures

    def name(self, split, row):
        return f"{split} {row}"

    def describe(self):
        return {"class": "Blocks", "pictures": self.pictures, "seed": self.seed}

    def picture_key(self, split):
        return content_hash(self.describe(), split)

    label_key = picture_key

    def captions(self, split):
        return [WORDS.tags[row % len(WORDS.tags)] for row in range(self.pictures)]

    def fill(self, split, rows, kinds, size):
        made = [self.one(split, row, size) for row in rows]
        return Filled(
            {kind: np.stack([one[kind] for one in made]).astype(self.layout(kind, size)[1]) for kind in kinds}, []
        )

    def one(self, split, row, size):
        stream = np.random.default_rng([self.seed, len(split), row])
        squares = stream.integers(0, 256, (SQUARES, SQUARES, 4), dtype=np.uint8)
        picture = squares.repeat(size // SQUARES, 0).repeat(size // SQUARES, 1)
        return {
            "image": picture[..., :3],
            "sketch": picture[..., 3],
            "readable": np.array(True),
            "tags": stream.integers(-1, 2, len(WORDS.tags)),
            "attributes": stream.integers(-1, [3, 2]),
            # 128ths, which float32 holds exactly.
            "landmarks": stream.integers(0, 129, (NUM_LANDMARKS, 2)) / 128,
            "visible": stream.integers(0, 2, NUM_LANDMARKS, dtype=bool),
            "caption": caption_tokens(self.captions(split)[row]),
            "tag_confidence": np.ones(len(WORDS.tags)),
            "attribute_confidence": np.ones(2),
        }
