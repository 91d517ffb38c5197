"""What a study knows of its runs."""

from pathlib import Path

import pytest

from anime_gen.contract import UserError
from anime_gen.run.folder import RunFolder
from anime_gen.studies.ledger import Entry, read_entry, seconds_left, write_entry
from anime_gen.studies.plan import Job


def test_a_folder_with_other_settings_is_left_alone(tmp_path):
    job = Job("a", 0, tmp_path / "a" / "0", ["--x=1"])
    write_entry(job, Entry(job.words, True, 5.0))
    assert read_entry(job) == Entry(["--x=1"], True, 5.0)
    with pytest.raises(UserError, match=r"other settings \(--x=1, --x=2\)"):
        read_entry(Job("a", 0, job.folder, ["--x=2"]))
    RunFolder(job.folder).ledger.unlink()
    RunFolder(job.folder).config.touch()
    with pytest.raises(UserError, match="no study has started"):
        read_entry(job)


@pytest.mark.parametrize("text", ["{", "[]", '{"words": 5}', f'{{"words": [], "done": true, "seconds": {"9" * 400}}}'])
def test_another_file_in_its_place(tmp_path, text):
    job = Job("a", 0, tmp_path, [])
    RunFolder(tmp_path).ledger.write_text(text)
    with pytest.raises(UserError, match=r"study\.json is not"):
        read_entry(job)


def test_seconds_left():
    jobs = [Job(name, seed, Path(name) / str(seed), []) for seed in (0, 1) for name in ("a", "b", "c")]
    entries = {job.folder: Entry([]) for job in jobs}
    assert seconds_left(jobs, entries, jobs) is None
    entries[Path("a/0")] = Entry([], True, 10.0)
    entries[Path("b/0")] = Entry([], True, 30.0)
    entries[Path("a/1")] = Entry([], False, 4.0)
    todo = [job for job in jobs if not entries[job.folder].done]
    assert seconds_left(todo, entries, jobs) == 20 + (10 - 4) + 30 + 20


def test_a_run_of_the_same_settings_by_older_names_is_gone_on_with(tmp_path):
    job = Job("a", 0, tmp_path / "a" / "0", ["--model.loss=anime_gen.blocks.Hinge"])
    entry = Entry(["--model.loss=anime_gen.adversarial.Hinge"], True, 5.0)
    write_entry(job, entry)
    assert read_entry(job) == entry
