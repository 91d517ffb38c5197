"""Published networks as extractors, each on weights of the user's.

A score's name is `<statistic>_<extractor>`, without exception: `fd_inception` is what the literature calls FID,
`fd_inception_clean` is clean-FID, `kid_inception` KID, `is_inception` the Inception score, `fd_dinov2_large` FD-DINOv2,
`cmmd_clip` CMMD. Another resize or another network is another name, and the protocol holds the hash of the weights.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from anime_gen.contract import UserError
from anime_gen.metrics import judge
from anime_gen.metrics import weights as files
from anime_gen.metrics.features import Classifier, Extractor, JudgeFeatures, Network, Seen
from anime_gen.metrics.judge import hash_weights
from anime_gen.metrics.rendering import Rendering

# What torchvision and DINOv2 were trained with.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# The tower that CMMD is defined on.
CLIP_REPOSITORY = "timm/vit_large_patch14_clip_336.openai"


class _Inception(Classifier):
    """torch-fidelity's InceptionV3 with the weights of TensorFlow's release of 2015-12-05 (Szegedy et al. 2015).

    Features are the 2048 of the last pooling, logits the 1008 without bias, as in the first FID and IS programs.
    """

    num_features, num_classes = 2048, 1008
    chunk = 16
    size = 299

    def __init__(self, weights: Path | None = None) -> None:
        """Args: weights: the .pth file; default where torch hub, torch-fidelity or pytorch-fid have put it.

        Raises:
            UserError: the file is not there, is damaged, or is something else.
        """
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        super().__init__()
        path = files.find(weights, inception(self.name))
        # It would unpickle any file it is given the path of.
        plain = io.BytesIO()
        torch.save(files.read(path, self.name), plain)
        plain.seek(0)
        try:
            self.network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], plain)
        except RuntimeError as reason:
            raise files.misfit(path, self.name, reason) from reason
        self.weights_hash = hash_weights(self.network)

    @abstractmethod
    def resized(self, images: Tensor) -> Tensor:
        """Uint8 pictures as float32 (B, 3, 299, 299) in 0..255."""

    def see(self, images: Tensor) -> Seen:
        # Its own forward resizes in one way only. Its children stand in the order in which they are called.
        x = (self.resized(images) - 128) / 128
        *trunk, head = self.network.children()
        for layer in trunk:
            x = layer(x)
        x = x.flatten(1)
        return Seen(x, x @ head.weight.T)


class Inception(_Inception):
    """`inception`: resized inside the network on TensorFlow 1's grid, as FID was first computed ("legacy")."""

    name = "inception"
    resize = "tf1-bilinear-299"

    def resized(self, images: Tensor) -> Tensor:
        from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

        return interpolate_bilinear_2d_like_tensorflow1x(
            images.float(), size=(self.size, self.size), align_corners=False
        )


class InceptionClean(_Inception):
    """`inception_clean`: resized by Pillow's bicubic filter in float, as clean-fid does (Parmar et al. 2022)."""

    name = "inception_clean"
    resize = "pil-bicubic-float-299"

    def resized(self, images: Tensor) -> Tensor:
        planes = images.cpu().numpy().reshape(-1, *images.shape[2:]).astype(np.float32)
        size = (self.size, self.size)
        small = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)) for plane in planes]
        stack = torch.from_numpy(np.stack(small)).clamp(0, 255)
        return stack.view(-1, 3, *size).to(images.device)


class _Pixels(Network[Tensor]):
    """An extractor that takes pictures of one size, normalised by channel, to features."""

    chunk = 16

    def __init__(self, network: nn.Module, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network.float().eval().requires_grad_(False)
        self.size, self.resize = size, f"bicubic-antialias-{size}"
        self._mean_std = mean, std
        self.weights_hash = hash_weights(network)

    def see(self, images: Tensor) -> Tensor:
        x = images.float()
        if x.shape[2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bicubic", antialias=True).clamp(0, 255)
        mean, std = (torch.tensor(part, device=x.device).view(3, 1, 1) for part in self._mean_std)
        features: Tensor = self.network((x / 255 - mean) / std)
        return features.float()

    def forward(self, images: Tensor) -> Tensor:
        return self.look(images)

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "normalise": [list(part) for part in self._mean_std]}


def inception(name: str = "inception") -> files.Published:
    """The weights of TensorFlow's release, as torch-fidelity and pytorch-fid have them."""
    file = "weights-inception-2015-12-05-6726825d.pth"
    usual = [files.torch_hub(file), files.torch_hub("pt_inception-2015-12-05-6726825d.pth")]
    source = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{file}"
    return files.Published(usual, name, f"{file} of torch-fidelity's release v0.2.0", source)


def dinov2(model: str = "large") -> files.Published:
    """timm's file, or Meta's."""
    repository = f"timm/vit_{model}_patch14_dinov2.lvd142m"
    usual = [
        files.hugging_face(repository, "model.safetensors"),
        files.torch_hub(f"dinov2_vit{model[0]}14_pretrain.pth"),
    ]
    what = f"model.safetensors of {repository} on the Hugging Face hub"
    return files.Published(usual, f"dinov2_{model}", what, f"{repository}/model.safetensors")


def clip(repository: str = CLIP_REPOSITORY, name: str = "clip") -> files.Published:
    """A tower of open_clip's."""
    file = "open_clip_model.safetensors"
    usual = [files.hugging_face(repository, file)] if repository else []
    return files.Published(usual, name, f"{file} of {repository} on the Hugging Face hub", f"{repository}/{file}")


class DINOv2(_Pixels):
    """`dinov2_<model>`: the class token of DINOv2 (Oquab et al. 2023) at 224 pixels, as FD-DINOv2 takes it.

    Stein et al. 2023 use `large`.
    """

    def __init__(
        self, model: Literal["small", "base", "large", "giant"] = "large", weights: Path | None = None
    ) -> None:
        """Args: weights: timm's or Meta's file; default where the Hugging Face hub or torch hub have put it.

        Raises:
            UserError: the file is not there, is damaged, or is something else.
        """
        import timm

        self.name = f"dinov2_{model}"
        path = files.find(weights, dinov2(model))
        try:
            network: Any = timm.create_model(
                f"vit_{model}_patch14_dinov2",
                pretrained=True,
                pretrained_cfg_overlay={"file": str(path)},
                num_classes=0,
                dynamic_img_size=True,  # positions were learnt on 37 x 37 patches; 224 pixels are 16 x 16
            )
        except Exception as reason:  # whatever a file of another kind leads timm to
            raise files.misfit(path, self.name, reason) from reason
        super().__init__(network, 224, IMAGENET_MEAN, IMAGENET_STD)
        self.num_features = int(network.embed_dim)


class CLIP(_Pixels):
    """`clip`: the image tower of CLIP (Radford et al. 2021), embeddings of unnormalised length.

    The default is the tower that CMMD is defined on (Jayasumana et al. 2024).
    """

    def __init__(
        self,
        model: str = "ViT-L-14-336-quickgelu",
        published: str = "openai",
        weights: Path | None = None,
        name: str = "clip",
    ) -> None:
        """A tower of open_clip's.

        Args:
            model: open_clip's name of the architecture.
            published: open_clip's name of the weights that were published for it.
            weights: .safetensors or .bin of the whole model; default where the Hugging Face hub has put it.
            name: what scores call it; one that is not the default tower should have a name of its own.

        Raises:
            UserError: no such model, or the file is not there, is damaged, or is something else.
        """
        import open_clip

        self.name = name
        config = open_clip.get_model_config(model)
        published_config = open_clip.get_pretrained_cfg(model, published)
        if config is None or (not published_config.get("hf_hub") and weights is None):
            raise UserError(f"{name}: open_clip knows no weights {published!r} of a model {model!r}; see its README")
        path = files.find(weights, clip(published_config.get("hf_hub", "").strip("/"), name))
        try:
            network = open_clip.create_model(model, pretrained=str(path), weights_only=True).visual
        except Exception as reason:  # whatever a file of another kind leads open_clip to
            raise files.misfit(path, name, reason) from reason
        size = config["vision_cfg"].get("image_size", 224)
        mean = published_config.get("mean") or open_clip.OPENAI_DATASET_MEAN
        std = published_config.get("std") or open_clip.OPENAI_DATASET_STD
        super().__init__(network, size, tuple(mean), tuple(std))
        self.num_features = config["embed_dim"]
        self._model = model

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "model": self._model}


class Torchvision(_Pixels):
    """`<model>`: the mean of the last feature map of a network of torchvision's, such as SqueezeNet or VGG."""

    chunk = 64

    def __init__(self, model: str = "squeezenet1_1", weights: Path | None = None, size: int = 224) -> None:
        """A convolutional network of torchvision's.

        Args:
            model: torchvision's name; one of those that keep their convolutions in `features`.
            weights: state dict of the network or of its `features` alone; default where torch hub has put it.
            size: pixels a side that pictures are resized to.

        Raises:
            UserError: no such model, or the file is not there, is damaged, or is something else.
        """
        from torchvision import models

        self.name = model
        if model not in models.list_models(models):
            raise UserError(f"{model}: torchvision has no such model; squeezenet1_1, vgg16 and densenet121 are some")
        network = models.get_model(model, weights=None)
        if not hasattr(network, "features"):
            raise UserError(f"{model} keeps its convolutions elsewhere than in `features`: take squeezenet1_1 or vgg16")
        url = models.get_model_weights(model)["DEFAULT"].url
        name = url.rsplit("/", 1)[-1]
        path = files.find(weights, files.Published([files.torch_hub(name)], model, f"{name} of torchvision", url))
        state = files.read(path, model)
        try:
            network.features.load_state_dict(
                {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")}
            )
        except RuntimeError as reason:
            raise files.misfit(path, model, reason) from reason
        pooled = nn.Sequential(network.features, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(pooled, size, IMAGENET_MEAN, IMAGENET_STD)
        self.num_features = pooled(torch.zeros(1, 3, size, size)).shape[1]


class Judge(JudgeFeatures):
    """`judge`, or `judge_<pictures>` where `anime-gen judge fit` has trained it on pictures of one's own."""

    def __init__(self, weights: Path | None = None) -> None:
        """Args: weights: default the suite's own. Raises: UserError: there are none, or of something else."""
        super().__init__(None if weights is None else judge.Judge.load(weights))


def _rendering(weights: Path | None = None) -> Rendering:
    if weights is not None:
        raise UserError(f"render={weights}: it has no weights; give render alone")
    return Rendering()


# What the command line calls them; each takes `weights`, a file or None. In YAML they are chosen by class_path, with
# all their options.
EXTRACTORS: Mapping[str, Callable[..., Extractor]] = {
    "judge": Judge,
    "render": _rendering,
    "inception": Inception,
    "inception_clean": InceptionClean,
    "clip": CLIP,
    **{f"dinov2_{model}": partial(DINOv2, model) for model in ("small", "base", "large", "giant")},
    **{model: partial(Torchvision, model) for model in ("squeezenet1_1", "vgg16")},
}
