"""The table of gpu-bench, for people: everything of it is in the JSON."""

from __future__ import annotations

from typing import Any

from tabulate import tabulate

# Of the run that learns: a table of its own, and what is for the JSON alone.
READ_ELSEWHERE = ("headlines", "scores")


def markdown(found: dict[str, Any]) -> str:
    """What there is so far, in Markdown."""
    machine, parts = found["machine"], found["parts"]
    memory = f", {machine['memory_gib']} GiB" if machine["memory_gib"] else ""
    blocks = [
        f"# {machine['device']}{memory}",
        f"driver {machine['driver'] or 'none'}, torch {machine['torch']} with CUDA {machine['cuda'] or 'none'}, "
        f"lightning {machine['lightning']}, {machine['cores']} cores; {found['seconds']:.0f} s in all",
    ]
    peaks = parts.get("peak", {})
    if peaks:
        named = {"bf16-mixed": "bfloat16", "32-true": "float32 (TF32 on a card)"}
        rates = ", ".join(f"{gmacs / 1000:.3g} T in {named[precision]}" for precision, gmacs in peaks.items())
        blocks.append(f"Peak, as a product of matrices reaches it: {rates} multiply-adds/s.")
    steps = {name: part for name, part in parts.items() if "gmacs_per_second" in part}
    if steps:
        rows: list[list[Any]] = [
            [
                name,
                part["precision"],
                part["batch_size"],
                f"{part['images_per_second']:.0f}",
                f"{part['gmacs_per_second'] / peaks[part['precision']]:.1%}" if peaks else "",
                f"{part['memory_gib']:.2f}",
            ]
            for name, part in steps.items()
        ]
        blocks.append(table(["", "precision", "batch", "images/s", "of peak", "peak GiB"], rows))
    beside = {name: part for name, part in parts.items() if name not in steps and name != "peak"}
    if beside:
        rows = [[name, ", ".join(f"{key} {value(part[key])}" for key in part if key not in READ_ELSEWHERE)]
                for name, part in beside.items()]  # fmt: skip
        blocks.append(table(["", "found"], rows))
    for name, part in beside.items():
        if "headlines" in part:
            rows = [[score, *values] for score, values in part["headlines"].items()]
            blocks.append(table([name, "samples", "real"], rows))
    if found["failed"]:
        blocks.append(table(["failed", "because"], [[name, line] for name, line in found["failed"].items()]))
    if found["left_out"]:
        blocks.append(f"Left out, for there was no time: {', '.join(found['left_out'])}.")
    return "\n\n".join(blocks) + "\n"


def value(found: Any) -> str:
    """A number to four digits, anything else as it is."""
    return format(found, ".4g") if isinstance(found, float) else str(found)


def table(heads: list[str], rows: list[list[Any]]) -> str:
    """In Markdown, numbers as they are written."""
    return tabulate(rows, heads, tablefmt="github", disable_numparse=True)
