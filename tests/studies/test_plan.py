"""The runs that an experiment file stands for."""

from pathlib import Path

from anime_gen.studies.plan import Study, Variant, plan


def test_every_variant_with_the_first_seed_then_with_the_next():
    runs = {
        "convolutional": Variant("dcgan", {"model.networks.width": 8, "model.augment": None}),
        "connected": Variant("mlpgan"),
    }
    study = Study("small", runs, seeds=[3, 5], overlay={"data.image_size": 16})
    jobs = plan(study, Path("out"), ["--trainer.max_epochs=1"])
    assert [(job.name, job.seed) for job in jobs] == [
        ("convolutional", 3), ("connected", 3), ("convolutional", 5), ("connected", 5)
    ]  # fmt: skip
    assert jobs[2].folder == Path("out/convolutional/5")
    assert jobs[2].words == [
        "--config=experiments/shared.yaml",
        "--config=experiments/family/dcgan.yaml",
        "--data.image_size=16",
        "--model.networks.width=8",
        "--model.augment=null",
        "--trainer.max_epochs=1",
        "--seed_everything=5",
        "--data.seed=5",
    ]
