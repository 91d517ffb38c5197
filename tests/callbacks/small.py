"""A DCGAN that trains for seconds."""

import yaml

SMALL = {"networks": {"class_path": "anime_gen.families.dcgan.Convolutional", "init_args": {"width": 8}}}


def dcgan(folder, **trainer):
    """What `fit` is told for epochs of 64 pictures in batches of 8, without scorings; `trainer` are keys of its own."""
    told = {
        "model": {"init_args": SMALL},
        "data": {
            "source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 200}},
            "image_size": 16, "batch_size": 8, "epoch_images": 64, "score_images": 16,
        },
        "trainer": {"limit_val_batches": 0, **trainer},
    }  # fmt: skip
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(told))
    return ("-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml", "-c", path)
