"""The games with labels: what a discriminator makes of its features, and what both sides play for beside "real".

A game is options only, which a YAML can name; it makes the head, which has the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from anime_gen.blocks.labels import Words, code
from anime_gen.contract import Condition, UserError, at_least_float32
from anime_gen.families.acgan.loss import class_loss, data_to_data_loss, tag_loss
from anime_gen.families.acgan.network import Features
from anime_gen.noise import normal


class Head(nn.Module, ABC):
    """What one game makes of the features (B, F) of pictures.

    Label losses are scalars with their weights; `labels` are the true ones of real pictures, and those that made
    pictures were asked for. Confidences among them are used.
    """

    @abstractmethod
    def forward(self, features_BF: Tensor, labels: Condition) -> Tensor:
        """How real the pictures look (beside what is told of them): logits (B,), float32."""

    def of_real(self, features_BF: Tensor, labels: Condition) -> Tensor:
        """The label loss of real pictures, which the discriminator minimises."""
        return features_BF.new_zeros((), dtype=torch.float32)

    def of_fake(self, features_BF: Tensor, labels: Condition) -> Tensor:
        """The label loss of made pictures, which the discriminator minimises."""
        return features_BF.new_zeros((), dtype=torch.float32)

    def of_generator(self, features_BF: Tensor, labels: Condition) -> Tensor:
        """The label loss of made pictures, which the generator minimises."""
        return features_BF.new_zeros((), dtype=torch.float32)


class Discriminator(nn.Module):
    """Features of a picture, and the game's head on them."""

    def __init__(self, features: Features, head: Head) -> None:
        super().__init__()
        self.features = features.network
        self.head = head

    def forward(self, image_BCHW: Tensor, labels: Condition) -> Tensor:
        """How real pictures (B, 3, H, W) look beside what is told of them: logits (B,), float32."""
        return self.head(self.features(image_BCHW), labels)


class Game(ABC):
    """Which part labels have in the game."""

    @abstractmethod
    def head(self, words: Words, width: int) -> Head:
        """A new head for features (B, width)."""


def check_weights(attributes: float, tags: float) -> None:
    """Raises UserError where a label's weight is negative."""
    if attributes < 0 or tags < 0:
        raise UserError(f"game: attributes is {attributes} and tags {tags}; give weights of 0 or more")


# --------------------------------------------------------------------------------------------------------------------
# AC-GAN (Odena et al. 2017)


class AuxiliaryClassifier(Game):
    """The discriminator names the labels of pictures, and the generator wants its own named as it was asked.

    Args:
        attributes: weight of the sum over groups of their cross entropies. 1 is the paper's, which has one group.
        tags: weight of the *mean* over tags of their binary cross entropies, beside an adversarial loss of weight 1.
            (Jin et al. 2017 sum over 34 tags and give the adversarial loss a weight of 34: 1 here.)
        made: does the discriminator learn to name made pictures, too (equation 3 of the paper)? Then the two sides may
            agree on signs of their own for a label, which no other eye knows. (Kang et al. 2021 leave them out.)
    """

    def __init__(self, attributes: float = 1.0, tags: float = 1.0, made: bool = True) -> None:
        check_weights(attributes, tags)
        self.attributes = attributes
        self.tags = tags
        self.made = made

    def head(self, words: Words, width: int) -> Head:
        return ClassifierHead(words, width, self.attributes, self.tags, self.made)


class ClassifierHead(Head):
    """One logit for "real", one for each class and each tag."""

    def __init__(self, words: Words, width: int, attributes: float, tags: float, made: bool) -> None:
        super().__init__()
        self.words = words
        self.attributes = attributes
        self.tags = tags
        self.made = made
        self.real = nn.Linear(width, 1)
        self.labels = nn.Linear(width, words.logits)

    def forward(self, features_BF: Tensor, labels: Condition) -> Tensor:
        return at_least_float32(self.real(features_BF).flatten())

    def of_real(self, features_BF: Tensor, labels: Condition) -> Tensor:
        logits_BL: Tensor = at_least_float32(self.labels(features_BF))
        *groups, logits_BT = torch.split(logits_BL, [*self.words.attribute_sizes, self.words.num_tags], dim=1)
        loss: Tensor = logits_BL.new_zeros(())
        if labels.attributes_BA is not None:
            sure_BA = labels.attribute_confidence_BA
            for group, logits_BC in enumerate(groups):
                sure_B = None if sure_BA is None else sure_BA[:, group]
                loss = loss + self.attributes * class_loss(logits_BC, labels.attributes_BA[:, group], sure_B)
        if labels.tags_BT is not None:
            loss = loss + self.tags * tag_loss(logits_BT, labels.tags_BT, labels.tag_confidence_BT)
        return loss

    def of_fake(self, features_BF: Tensor, labels: Condition) -> Tensor:
        return self.of_real(features_BF, labels) if self.made else super().of_fake(features_BF, labels)

    of_generator = of_real


# --------------------------------------------------------------------------------------------------------------------
# ReACGAN (Kang et al. 2021)


class DataToData(Game):
    """Pictures are compared with their class and with the batch's pictures of other classes; made ones teach nothing.

    Tags, which exclude each other not, are named as in AC-GAN, but by the discriminator on real pictures only.

    Args:
        attributes: weight of the sum over groups of their losses (lambda in the paper, 0.5 and 1 there).
        tags: weight of the mean over tags of their binary cross entropies.
        width: of the embedding of each group.
        positive_margin, negative_margin, temperature: see `data_to_data_loss`.
    """

    def __init__(
        self,
        attributes: float = 1.0,
        tags: float = 1.0,
        width: int = 64,
        positive_margin: float = 0.98,
        negative_margin: float = 0.02,
        temperature: float = 0.5,
    ) -> None:
        check_weights(attributes, tags)
        if width < 1 or temperature <= 0:
            raise UserError(f"game: width is {width} and temperature {temperature}; both must be above 0")
        self.attributes = attributes
        self.tags = tags
        self.width = width
        self.positive_margin = positive_margin
        self.negative_margin = negative_margin
        self.temperature = temperature

    def head(self, words: Words, width: int) -> Head:
        return DataToDataHead(words, width, self)


class DataToDataHead(Head):
    """One logit for "real", one for each tag, and for each group an embedding and a proxy for each class."""

    def __init__(self, words: Words, width: int, game: DataToData) -> None:
        super().__init__()
        self.game = game
        self.real = nn.Linear(width, 1)
        self.tags = nn.Linear(width, words.num_tags)
        self.groups = nn.ModuleList(nn.Linear(width, game.width) for _ in words.attribute_sizes)
        self.proxies = nn.ParameterList(normal(size, game.width) for size in words.attribute_sizes)

    def forward(self, features_BF: Tensor, labels: Condition) -> Tensor:
        return at_least_float32(self.real(features_BF).flatten())

    def _loss(self, features_BF: Tensor, labels: Condition) -> Tensor:
        game, loss = self.game, features_BF.new_zeros((), dtype=torch.float32)
        if labels.attributes_BA is not None:
            sure_BA = labels.attribute_confidence_BA
            for group, (embed, proxies) in enumerate(zip(self.groups, self.proxies, strict=True)):
                loss = loss + game.attributes * data_to_data_loss(
                    at_least_float32(embed(features_BF)),
                    proxies,
                    labels.attributes_BA[:, group],
                    None if sure_BA is None else sure_BA[:, group],
                    positive_margin=game.positive_margin,
                    negative_margin=game.negative_margin,
                    temperature=game.temperature,
                )
        if labels.tags_BT is not None:
            logits_BT = at_least_float32(self.tags(features_BF))
            loss = loss + game.tags * tag_loss(logits_BT, labels.tags_BT, labels.tag_confidence_BT)
        return loss

    of_real = of_generator = _loss


# --------------------------------------------------------------------------------------------------------------------
# Projection (Miyato and Koyama 2018)


class Projection(Game):
    """The logit is psi(f) + f . V y: how real, and how well the features f fit the labels y (equation 3 of the paper).

    Here y has a place for each class of each group and for the presence and the absence of each tag: 1 / n where one of
    the n labels is given. Adam moves all given rows of V at once, as far as the one row of psi: with ones the labels'
    part of the logit would move n times as fast as psi.
    """

    def head(self, words: Words, width: int) -> Head:
        return ProjectionHead(words, width)


class ProjectionHead(Head):
    """A linear layer on the features, and an embedding of the labels as wide as they."""

    def __init__(self, words: Words, width: int) -> None:
        super().__init__()
        self.words = words
        self.real = nn.Linear(width, 1)
        self.embed = nn.Linear(words.codes, width, bias=False)

    def forward(self, features_BF: Tensor, labels: Condition) -> Tensor:
        fits_B = (features_BF * self.embed(code(labels, self.words))).sum(1) / self.words.labels
        logits_B: Tensor = self.real(features_BF).flatten() + fits_B
        return at_least_float32(logits_B)


# --------------------------------------------------------------------------------------------------------------------
# The first conditional GAN (Mirza and Osindero 2014)


class Concatenation(Game):
    """The labels stand beside the features of the picture, and a joint hidden layer reads both (figure 1 of the paper).

    Args:
        label_width: hidden units that read the labels.
        hidden: units of the joint layer.
    """

    def __init__(self, label_width: int = 128, hidden: int = 256) -> None:
        if label_width < 1 or hidden < 1:
            raise UserError(f"game: label_width is {label_width} and hidden {hidden}; both must be at least 1")
        self.label_width = label_width
        self.hidden = hidden

    def head(self, words: Words, width: int) -> Head:
        return ConcatenationHead(words, width, self.label_width, self.hidden)


class ConcatenationHead(Head):
    """A hidden layer on the labels, and one on labels and features."""

    def __init__(self, words: Words, width: int, label_width: int, hidden: int) -> None:
        super().__init__()
        self.words = words
        self.label_embedding = nn.Sequential(nn.Linear(words.codes, label_width), nn.LeakyReLU(0.2))
        self.joint = nn.Sequential(nn.Linear(width + label_width, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))

    def forward(self, features_BF: Tensor, labels: Condition) -> Tensor:
        logits_B: Tensor = self.joint(torch.cat([features_BF, self.label_embedding(code(labels, self.words))], dim=1))
        return at_least_float32(logits_B.flatten())
