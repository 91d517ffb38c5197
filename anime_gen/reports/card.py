"""A model card: what a folder of weights is, in the form that hubs read (README.md with YAML in front).

https://huggingface.co/docs/hub/model-cards
"""

from __future__ import annotations

from typing import NamedTuple

from huggingface_hub import EvalResult, ModelCardData
from tabulate import tabulate

from anime_gen.blocks.made import UNKNOWN, ModelCard
from anime_gen.escape import in_markdown


class Card(NamedTuple):
    """What a run says of its weights."""

    name: str
    family: str
    pictures: str  # that it was trained on, by the name of their source
    image_size: int
    images_shown: int
    scores: dict[str, float]  # on validation pictures, of these very weights; none: they were not scored
    table: list[tuple[str, str, str]]  # the same for people: name, value of the samples, of real pictures

    def markdown(self, about: ModelCard) -> str:
        """The page, which shows a picture `samples.png` that lies beside it."""
        results = [
            EvalResult(
                task_type=about.pipeline,
                dataset_type=self.pictures,
                dataset_name=self.pictures,
                dataset_split="validation",
                metric_type=name,
                metric_value=round(value, 4),
            )
            for name, value in self.scores.items()
        ]
        front = ModelCardData(
            license=about.licence,
            tags=[*about.tags, "anime", "faces", "anime_gen"],
            pipeline_tag=about.pipeline,
            model_name=self.name,
            eval_results=results or None,
        )
        scores = (
            f"On validation pictures, after {self.images_shown:,} training images, by the judge of anime_gen (no FID: "
            "not to be compared with numbers from papers); beside them the same of real pictures:\n\n"
            + tabulate(self.table, ["", "samples", "real"], tablefmt="github", disable_numparse=True)
            if self.table
            else "These weights were not scored."
        )
        stated = (
            "Not stated. The pictures that it was trained on decide: say it in the first lines of this page."
            if about.licence == UNKNOWN
            else f"`{about.licence}`"
        )
        blocks = [
            f"---\n{front.to_yaml()}\n---",
            f"# {in_markdown(self.name)}",
            "![samples](samples.png)",
            f"{self.family} that draws faces of {self.image_size} x {self.image_size} pixels, trained with anime_gen "
            f"on {in_markdown(self.pictures)}.",
            f"## Use\n\n{about.uses}",
            f"## Scores\n\n{scores}",
            f"## Licence\n\n{stated}",
        ]
        return "\n\n".join(blocks) + "\n"
