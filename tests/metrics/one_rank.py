"""One of two processes of test_scores.py: scores its uneven part, writes what it was told.

Run by path, so that it needs nothing of pytest's imports: python one_rank.py RANK FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from conftest import WORDS, draw, random_judge
from test_scores import ROUNDS, ask

from anime_gen.metrics.protocol import Role
from anime_gen.metrics.scores import Scores, judge_scores


def main() -> None:
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    scores = Scores(judge_scores(WORDS, random_judge()))
    for part in draw(30, seed=1)[(slice(0, 30), slice(0, 0))[rank]].split(16):
        if len(part):  # the second rank has no training pictures at all
            scores.update(part, Role.TRAINING)
    for start in range(*((0, 11, 4), (11, 30, 4))[rank]):
        rows = slice(start, min(start + 4, (11, 30)[rank]))
        scores.update(draw(30, seed=2)[rows], Role.HELD_OUT, ask(30, seed=4).rows(rows))
    told = []
    for count in ROUNDS:  # from the second round on, real and training pictures are kept
        mine = (slice(0, 17), slice(17, count))[rank]
        if mine.stop > mine.start:
            scores.update(draw(30, seed=3)[mine], Role.SAMPLE, ask(30).rows(mine))
        told.append(scores.compute())
        scores.reset()
    (folder / f"{rank}.json").write_text(json.dumps(told))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
