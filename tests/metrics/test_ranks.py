"""Two processes that share the pictures unevenly score as one does."""

import json

import pytest
import torch
import torch.multiprocessing as mp

from anime_gen.contract import Condition
from anime_gen.metrics.clip_score import ClipScore
from anime_gen.metrics.copies import NearestPixels
from anime_gen.metrics.diversity import Collapse, ConditionDiversity
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.paired import PSNR, SSIM, LabError
from anime_gen.metrics.protocol import Role
from anime_gen.metrics.scores import Scores, rendering_scores
from anime_gen.metrics.slices import Sliced

N = 31


class Corner(Extractor):
    name = "corner"
    num_features = 12
    resize = "none"
    weights_hash = "none"

    def forward(self, images):
        return images[:, :, :2, :2].flatten(1).float()


def told(judge, vocabulary, pictures, shares):
    """What is computed from a share of the training, the real and the sampled pictures each."""
    scores = Scores(
        [
            *(SSIM(), PSNR(), LabError(), ClipScore(Corner()), NearestPixels(), Collapse(Corner(), at_most=20)),
            *rendering_scores(32),
            Sliced(lambda: [Collapse(Corner()), PSNR()], vocabulary, "gender", judge, at_least=3),
        ]
    )
    within = ConditionDiversity(Corner())
    stream = torch.Generator().manual_seed(0)
    text = torch.rand(N, 12, generator=stream)
    text[::4] = torch.nan
    condition = Condition(attributes_BA=torch.randint(-1, 2, (N, 2), generator=stream), text_BD=text)
    training, real, fake = (pictures(N, seed=seed) for seed in (1, 2, 3))
    for role, images, rows in zip(Role, (training, real, fake), shares, strict=True):
        for start in range(rows.start, rows.stop, 8):
            part = slice(start, min(start + 8, rows.stop))
            scores.update(images[part], role, condition.rows(part), real[part] if role is Role.SAMPLE else None)
            if role is not Role.TRAINING:
                within.update(images[part], torch.arange(N)[part] % 5 if role is Role.SAMPLE else None)
    values = {name: value for name, value, _ in scores.compute()}
    return {**values, **{name: value.item() for name, value in within.compute().items()}}


def one_rank(rank, judge, vocabulary, pictures, folder):
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    shares = ((slice(0, N), slice(0, 13), slice(0, N - 1)), (slice(0, 0), slice(13, N), slice(N - 1, N)))[rank]
    (folder / f"{rank}.json").write_text(json.dumps(told(judge, vocabulary, pictures, shares)))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_two_ranks_score_as_one(judge, vocabulary, pictures, tmp_path):
    wanted = told(judge, vocabulary, pictures, [slice(0, N)] * 3)
    assert len(wanted) == 18
    assert None not in wanted.values()
    mp.start_processes(one_rank, (judge, vocabulary, pictures, tmp_path), nprocs=2, start_method="fork")
    for rank in range(2):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found == pytest.approx(wanted, rel=1e-9)
