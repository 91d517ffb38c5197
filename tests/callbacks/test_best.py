"""What was best stays best when a run goes on elsewhere."""

from pathlib import Path

import torch

from anime_gen.callbacks import Best


def test_a_moved_run_remembers_its_best_score(tmp_path, recwarn):
    old, new = Best(), Best()
    old.dirpath, new.dirpath = str(tmp_path / "old"), str(tmp_path / "new")
    old.best_model_path = old.kth_best_model_path = str(Path(old.dirpath) / "best.ckpt")
    old.best_model_score = old.kth_value = torch.tensor(3.0)
    old.best_k_models = {old.best_model_path: torch.tensor(3.0)}
    new.load_state_dict(old.state_dict())
    assert new.best_model_path == str(tmp_path / "new" / "best.ckpt")
    assert new.best_model_score == 3.0
    assert new.best_k_models == {new.best_model_path: 3.0}
    assert not [warning for warning in recwarn if "dirpath" in str(warning.message)]
