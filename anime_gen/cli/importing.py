"""import: a published checkpoint of another code as weights of ours."""

from __future__ import annotations

from pathlib import Path

from anime_gen.cli.train import OneLineParser
from anime_gen.families.stylegan2.export import import_published


def main(verb: str, arguments: list[str]) -> None:
    """Reads stylegan2-ada-pytorch's pickles, without executing them."""
    parser = OneLineParser(prog=f"anime-gen {verb}", description=__doc__)
    parser.add_argument("file", type=Path, help="network-snapshot-*.pkl of stylegan2-ada-pytorch")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .safetensors; a .yaml comes beside it")
    options = parser.parse_args(arguments)
    import_published(options.file, options.out)
