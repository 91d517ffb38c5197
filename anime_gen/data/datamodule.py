"""The one DataModule: every family trains and is scored on what this serves."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from torch import Tensor

from anime_gen.contract import Condition, GenerativeModule, UserError
from anime_gen.data.cache import cache_root
from anime_gen.data.flatten import Flattening
from anime_gen.data.loader import Loader
from anime_gen.data.pack import columns_of
from anime_gen.data.painted import PaintedFaces
from anime_gen.data.pictures import EvaluationSet, Pictures, TrainingSet
from anime_gen.data.sampler import GlobalBatches, Shard, check_batches
from anime_gen.data.source import Source, Split, content_hash
from anime_gen.data.text import OpenClip
from anime_gen.vocabulary import NUM_LANDMARKS, Vocabulary, swap_sides

log = logging.getLogger(__name__)

# Fewer pictures than this say nothing in a validation score.
LEAST_VALIDATION = 8
# Of fewer pictures no distance can be taken.
LEAST_SCORED = 2
# What a scored picture may be labelled with, whether its family is told or not.
LABELS = frozenset({"tags_BT", "attributes_BA", "landmarks_BK2", "visible_BK"})
# A chunk of larger pictures would not fit into memory.
LARGEST = 4096
# Of pictures in a batch or a scoring, of processes, and of a seed: numpy's are no larger.
MOST = 2**32 - 1


class AnimeFaces(L.LightningDataModule):
    """Anime faces from any source, as `Batch`es that hold what the family needs and nothing else.

    Args:
        source: where pictures come from: PaintedFaces (the default) or Folder.
        image_size: width and height of the pictures, pixels.
        batch_size: training pictures a step, over all devices together.
        epoch_images: training pictures a Lightning epoch; by default one pass, rounded down to whole batches.
        score_images: how many validation pictures are scored, at least 2; all where there are fewer.
        flatten_words: hide frequent tags and caption words at random in training, so that all are shown about equally
            often (S1): rare ones are then learned, and frequent ones are still seen often enough.
        mirror: show half of the training pictures mirrored, with landmarks and left/right tags swapped.
        num_workers: processes that make batches beside the trainer; 0 is fast, since nothing is decoded twice.
        seed: of the order of the training pictures and of the mirror decisions.
        cache_dir: where decoded pictures are kept; by default $ANIME_GEN_CACHE or ~/.cache/anime_gen.
        text: reads the captions for families that take a trained tower's features; they fill `text_BD`.
        other_domain: pictures of another domain (photos) for families that translate; they fill `source_BCHW`.
    """

    def __init__(
        self,
        source: Source | None = None,
        image_size: int = 32,
        batch_size: int = 64,
        epoch_images: int | None = None,
        score_images: int = 512,
        mirror: bool = True,
        flatten_words: bool = False,
        num_workers: int = 0,
        seed: int = 0,
        cache_dir: Path | None = None,
        text: OpenClip | None = None,
        other_domain: Source | None = None,
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("image_size", image_size, 1),
            ("batch_size", batch_size, 1),
            ("score_images", score_images, LEAST_SCORED),
            ("num_workers", num_workers, 0),
            ("seed", seed, 0),
        ):
            if value < least:
                raise UserError(f"data.{name} is {value}: it must be at least {least}")
            if value > MOST:
                raise UserError(f"data.{name} is {value}: it must be at most {MOST}")
        if image_size > LARGEST:
            raise UserError(f"data.image_size is {image_size}: it must be at most {LARGEST}")
        root = cache_root(cache_dir)
        self.source = _placed(source or PaintedFaces(), root)
        self.other_domain = None if other_domain is None else _placed(other_domain, root)
        self.text = text
        self.image_size = image_size
        self.batch_size = batch_size
        self.epoch_images = epoch_images
        self.score_images = score_images
        self.mirror = mirror
        self.flatten_words = flatten_words
        self.num_workers = num_workers
        self.seed = seed
        self._opened: dict[tuple[str, Split, frozenset[str]], Pictures] = {}
        self._captions_of: dict[Split, list[str | None]] = {}
        self._keys: dict[Split, str] = {}

    @property
    def vocabulary(self) -> Vocabulary:
        """The words of the source."""
        return self.source.vocabulary

    @property
    def num_tags(self) -> int:
        """Width of `tags_BT`; 0 where the source has no tags."""
        return len(self.vocabulary.tags)

    @property
    def attribute_sizes(self) -> list[int]:
        """Classes of each column of `attributes_BA`."""
        return self.vocabulary.attribute_sizes

    @property
    def num_landmarks(self) -> int:
        """24, or 0 where the source has no landmarks."""
        return NUM_LANDMARKS if "landmarks_BK2" in self.source.parts else 0

    @property
    def paired(self) -> bool:
        """Is the scored picture i the true translation of picture i of the other domain?"""
        return self.other_domain is not None and self.other_domain.is_twin_of(self.source.truth)

    @property
    def text_width(self) -> int:
        """Width of `text_BD`; 0 where no tower reads the captions."""
        return 0 if self.text is None else self.text.width

    @property
    def needs(self) -> frozenset[str]:
        """The `Condition` fields that the family in training is told."""
        if self.trainer is None:
            return frozenset()
        module = self.trainer.lightning_module
        assert isinstance(module, GenerativeModule)
        return module.needs

    def prepare_data(self) -> None:
        """Builds, in one process, the columns that the coming stage reads; elsewhere they are then only opened."""
        assert self.trainer is not None
        # Samples may be copies of training pictures: every scoring looks at those too.
        looked_at: tuple[Split, frozenset[str]] = ("train", frozenset())
        reads: dict[str, tuple[tuple[Split, frozenset[str]], ...]] = {
            "fit": (("train", self.needs), ("validation", self._scored_parts)),
            "validate": (looked_at, ("validation", self._scored_parts)),
            "test": (looked_at, ("test", self._scored_parts)),
            "predict": (("test", self.needs),),
        }
        assert self.trainer.state.fn is not None
        stage = self.trainer.state.fn.value
        if stage == "fit":
            # What needs no picture is refused before the first is painted or read, which may take minutes.
            epoch = self.batch_size if self.epoch_images is None else self.epoch_images
            check_batches(epoch, self.batch_size, self.trainer.world_size)
        for split, parts in reads[stage]:
            self._pictures(split, parts)
            if self._other_needed(parts):
                self._other(split)
                if split != "train":
                    self._other(split, self._other_labels)
        if stage == "fit":
            self._check_counts()

    def train_dataloader(self) -> Loader:
        """This rank's part of the stream of training batches, from the module's `images_shown` on."""
        self._check_counts()
        pictures = self._pictures("train", self.needs)
        other = self._other("train") if self._other_needed(self.needs) else None
        if self.flatten_words and self.source.streamed("train", self.image_size) is not None:
            raise UserError(
                "data.flatten_words counts the words of all pictures, which for streamed ones would all have to be "
                "read: leave it off, or train on the folder that the shards were written of"
            )
        hide = Flattening(pictures, self.seed) if self.flatten_words else None
        dataset = TrainingSet(pictures, self.seed, self.mirror, other, hide)
        rank, world = self._place()
        batches = GlobalBatches(self._epoch_images(len(pictures)), self.batch_size, rank, world, self._images_shown)
        return Loader(dataset, batches, self.num_workers)

    def val_dataloader(self) -> Loader:
        """The first `score_images` pictures of the validation split."""
        return self._scored("validation")

    def test_dataloader(self) -> Loader:
        """The whole test split."""
        return self._scored("test")

    def predict_dataloader(self) -> Loader:
        """The whole test split."""
        return self.loader("test", self.needs, None)

    def loader(self, split: Split, parts: frozenset[str], limit: int | None) -> Loader:
        """This rank's share of the first `limit` pictures of a split, unmirrored, in order.

        Over all ranks each picture comes exactly once; `index_B` is its position in the split.
        """
        dataset = self._evaluation(split, parts)
        count = len(dataset) if limit is None else min(limit, len(dataset))
        rank, world = self._place()
        # Without workers: sampling takes far longer than reading, and every evaluation would start them anew.
        return Loader(dataset, Shard(count, self._evaluation_batch(), rank, world), workers=0)

    def stream(self, parts: frozenset[str], images: int, batch_size: int, start: int = 0) -> Loader:
        """The first `images` pictures of the stream of training pictures, for what is trained beside the family.

        One process reads it all; pictures are mirrored as in training.

        Args:
            parts: what is wanted of them.
            images: how many.
            batch_size: pictures in a batch.
            start: how many of them, whole batches, were read before; fewer than all.

        Raises:
            UserError: not whole batches, or there are no training pictures.
        """
        return self._one_process(self._pictures("train", parts), images, batch_size, start)

    def stream_record(self) -> dict[str, Any]:
        """Everything that the pictures of `stream` and their labels follow from: of equal ones they are equal."""
        labels = self.source.label_key("train")
        return {
            "data": self.record("train"),
            "labels": labels,
            "presentation": self.presentation(),
            "data.seed": self.seed,
        }

    def other_stream(self, parts: frozenset[str], images: int, batch_size: int) -> Loader:
        """As `stream`, of the other domain's training pictures.

        Raises:
            UserError: not whole batches, or that domain has not these parts.
        """
        return self._one_process(self._other("train", parts), images, batch_size, 0)

    def _one_process(self, pictures: Pictures, images: int, batch_size: int, start: int) -> Loader:
        if not len(pictures):
            raise UserError("there are no training pictures: add some, or name their split in a manifest")
        dataset = TrainingSet(pictures, self.seed, self.mirror, None)
        return Loader(dataset, GlobalBatches(images, batch_size, 0, 1, lambda: start), self.num_workers)

    def other_condition(self, split: Split, positions: np.ndarray) -> Condition:
        """What is known of the other domain's pictures at some positions of a split: labels and landmarks, if any."""
        return self._other(split, self._other_labels).condition(positions)

    def showcase(self, n: int) -> Condition:
        """What the family is told of the first n validation pictures (or of all, where there are fewer)."""
        dataset = self._evaluation("validation", self._scored_parts)
        shown = dataset.condition(np.arange(min(n, len(dataset))))
        return shown.only(self.needs)

    def count(self, split: Split) -> int:
        """How many readable pictures a split has; decodes them where that has not been done."""
        return len(self._pictures(split, frozenset()))

    def captions(self, split: Split) -> list[str | None]:
        """One caption for each position of a split, None where there is none."""
        if split not in self._captions_of:
            captions = self.source.captions(split)
            self._captions_of[split] = [captions[row] for row in self._pictures(split, frozenset()).rows]
        return self._captions_of[split]

    def names(self, split: Split) -> list[str]:
        """What messages call the picture at each position of a split."""
        return [self.source.name(split, int(row)) for row in self._pictures(split, frozenset()).rows]

    def other_pictures(self, split: Split, limit: int) -> tuple[list[str], Tensor]:
        """The first `limit` pictures of the other domain's split: what messages call them, and (N, 3, H, W) in [-1, 1].

        Raises:
            UserError: there is no other domain, or it has none.
        """
        pictures = self._other(split)
        positions = np.arange(min(limit, len(pictures)))
        assert self.other_domain is not None
        names = [self.other_domain.name(split, int(row)) for row in pictures.rows[positions]]
        return names, pictures.image(positions)

    def scored(self, split: Split) -> int:
        """How many pictures of a split are scored: of the validation split `score_images` at most.

        A family that translates is scored on as many as there are pictures to translate, each once.
        """
        count = self.count(split)
        if self._other_needed(self.needs):
            count = min(count, len(self._other(split)))
        return min(count, self.score_images) if split == "validation" else count

    def content(self, split: Split) -> str:
        """A key of a split's names, pixels and true labels, the same for a copy elsewhere."""
        # Every save asks for it, and labels may be many.
        if split not in self._keys:
            self._keys[split] = self._content(_placed(self.source.truth, self.source.cache), split)
        return self._keys[split]

    def _content(self, source: Source, split: Split) -> str:
        return content_hash(columns_of(source, split, self.image_size).content(), source.label_key(split))

    def record(self, *splits: Split) -> dict[str, Any]:
        """What a protocol says about the pictures that a score is taken of.

        Source and arguments, and for each of the splits how many of its pictures are readable and a key of its content.
        Labels that were changed for training are no part of it: `told` has them.
        """
        record: dict[str, Any] = {
            "source": self.source.truth.describe(),
            "image_size": self.image_size,
            "pictures": {split: self.count(split) for split in splits},
            "key": {split: self.content(split) for split in splits},
        }
        if self.other_domain is not None:
            record["other_domain"] = {
                **self.other_domain.describe(),
                "pictures": {split: len(self._other(split)) for split in splits},
                "key": {split: self._content(self.other_domain, split) for split in splits},
            }
        return record

    def presentation(self) -> dict[str, Any]:
        """How the pictures are shown and labelled in training, and what reads their captions."""
        told: dict[str, Any] = {"mirror": self.mirror, "flatten_words": self.flatten_words}
        if self.source.truth is not self.source:
            told["labels"] = self.source.describe()
        if self.text is not None:
            told["text"] = self.text.describe()
        return told

    def state_dict(self) -> dict[str, Any]:
        """The vocabulary, whose order is part of the weights, who read the captions, and what was trained on."""
        return {
            "vocabulary": self.vocabulary.as_dict(),
            "text": self.text and self.text.describe(),
            "trained_on": self._trained_on(),
        }

    def _trained_on(self) -> dict[str, Any]:
        return {"pictures": self.count("train"), "key": self.content("train")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Checks that the checkpoint was trained on the same words, and says so where it was on other pictures.

        Raises:
            UserError: it was not; the message says which differ.
        """
        saved = Vocabulary.from_dict(state_dict["vocabulary"])
        if saved != self.vocabulary:
            raise UserError(
                f"this checkpoint was trained on other words than the data has: {_difference(saved, self.vocabulary)}; "
                "resume on the data it was trained on, or train anew"
            )
        before = state_dict.get("trained_on")  # earlier versions did not say
        if before and self.trainer is not None and self.trainer.state.fn == "fit" and before != self._trained_on():
            log.warning(
                "the training pictures or their labels have changed since this run was saved (%d pictures then, %d "
                "now): it goes on with those that there are, and no score from now on stands beside an earlier one",
                before["pictures"],
                self.count("train"),
            )

    def _pictures(self, split: Split, parts: frozenset[str]) -> Pictures:
        own = parts - {"source_BCHW"}
        has = self.source.parts
        if "text_BD" in own and self.text is None:
            raise UserError("this family takes a text tower's features: name its weights as data.text.weights")
        if self.text is not None and "caption_BL" in has:
            has |= {"text_BD"}
        if lacking := own - has:
            raise UserError(
                f"this family needs {', '.join(sorted(lacking))}, which {self.source.describe()['class']} has not: "
                "use PaintedFaces, or a manifest that gives them"
            )
        return self._open(self.source, "own", split, own)

    def _other_needed(self, parts: frozenset[str]) -> bool:
        return "source_BCHW" in parts

    def _other(self, split: Split, parts: frozenset[str] = frozenset()) -> Pictures:
        if self.other_domain is None:
            raise UserError("this family translates pictures of another domain: give their folder as data.other_domain")
        if lacking := parts - self.other_domain.parts:
            raise UserError(
                f"this family needs {', '.join(sorted(lacking))} of data.other_domain, which "
                f"{self.other_domain.describe()['class']} has not: use PaintedPhotos, or a manifest that gives them"
            )
        pictures = self._open(self.other_domain, "other", split, parts)
        if not len(pictures):
            raise UserError(f"data.other_domain has no {split} pictures: add some, or name their split in a manifest")
        return pictures

    def _open(self, source: Source, whose: str, split: Split, parts: frozenset[str]) -> Pictures:
        key = (whose, split, parts)
        if key not in self._opened:
            captions = self._captions(source, split) if "text_BD" in parts else None
            self._opened[key] = Pictures(columns_of(source, split, self.image_size), parts, captions)
        return self._opened[key]

    def _captions(self, source: Source, split: Split) -> np.ndarray:
        """Features of every row's caption and of its mirror image's, (N, 2, D)."""
        assert self.text is not None
        captions = source.captions(split)
        both = [*captions, *(caption and swap_sides(caption) for caption in captions)]
        return self.text.features(both, source.cache / "text").reshape(2, len(captions), -1).swapaxes(0, 1)

    @property
    def _other_labels(self) -> frozenset[str]:
        return frozenset() if self.other_domain is None else LABELS & self.other_domain.parts

    def _evaluation(self, split: Split, parts: frozenset[str]) -> EvaluationSet:
        other = self._other(split) if self._other_needed(parts) else None
        return EvaluationSet(self._pictures(split, parts), other)

    @property
    def _scored_parts(self) -> frozenset[str]:
        """With labels that the family is not told: they say what the judge makes of real pictures."""
        read = frozenset({"text_BD"} if self.text is not None and "caption_BL" in self.source.parts else ())
        return self.needs | (LABELS & self.source.parts) | read

    def _scored(self, split: Split) -> Loader:
        if (count := self.count(split)) < LEAST_SCORED:
            raise UserError(
                f"{count} {split} pictures are too few to score: at least {LEAST_SCORED} are needed; add pictures, or "
                "name their split in a manifest"
            )
        return self.loader(split, self._scored_parts, self.scored(split))

    def _place(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _evaluation_batch(self) -> int:
        """As many pictures as a family samples at once: a smaller batch would only be padded to that."""
        module = None if self.trainer is None else self.trainer.lightning_module
        return module.chunk if isinstance(module, GenerativeModule) else self.batch_size

    def _images_shown(self) -> int:
        if self.trainer is None:
            return 0
        module = self.trainer.lightning_module
        assert isinstance(module, GenerativeModule)
        return module.images_shown

    def _epoch_images(self, pictures: int) -> int:
        whole = pictures // self.batch_size * self.batch_size if self.epoch_images is None else self.epoch_images
        limit = 1.0 if self.trainer is None else self.trainer.limit_train_batches
        # Lightning would cut an epoch short and leave the rest of it for the next: an epoch is what it shows.
        batches = whole // self.batch_size
        allowed = min(batches, limit) if isinstance(limit, int) else int(batches * (limit or 0))
        return allowed * self.batch_size if 0 < allowed < batches else whole

    def _check_counts(self) -> None:
        train, validation = self.count("train"), self.count("validation")
        if train < self.batch_size:
            raise UserError(
                f"{train} training pictures are fewer than one batch of {self.batch_size}: add pictures or set "
                f"data.batch_size to at most {max(1, train)}"
            )
        if validation < LEAST_VALIDATION:
            raise UserError(
                f"{validation} validation pictures are too few to score: at least {LEAST_VALIDATION} are needed, "
                "about 60 pictures in all where nothing says which split they belong to"
            )


def _placed(source: Source, root: Path) -> Source:
    placed = copy.copy(source)
    placed.cache = root
    return placed


def _difference(saved: Vocabulary, ours: Vocabulary) -> str:
    """In one phrase, the first way in which two vocabularies differ."""
    for what, before, now in (
        ("tags", saved.tags, ours.tags),
        ("attribute groups", tuple(saved.attributes), tuple(ours.attributes)),
        *(
            (f"classes of {group}", saved.attributes[group], ours.attributes.get(group, ()))
            for group in saved.attributes
        ),
    ):
        gone = [word for word in before if word not in now]
        new = [word for word in now if word not in before]
        if gone or new:
            return f"{what} gone: {_some(gone)}, new: {_some(new)}"
        if before != now:
            return f"the same {what} in another order"
    return "attribute groups in another order"


def _some(words: list[str]) -> str:
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "") or "none"
