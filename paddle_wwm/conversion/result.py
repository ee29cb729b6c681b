"""What a conversion did: the result, the record in the new folder, and a text for the user."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from ..files import sha256_of_file
from ..version import __version__
from .layers import INITIAL_SEED
from .opening import OpenedModel
from .targets import Target

RECORD_NAME = "conversion.json"


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What a conversion did, or what it would do (dry run).

    Args:
        target: the new folder.
        head: the task and the labels of a fine-tuned head, in words; "" without one.
        made_anew: parts that are missing in the source and were initialised.
        absent: parts that are missing in the source and in the target.
        passed_over: reason -> number of tensors that were skipped.
        taken_off: keys and parts of names around the BERT that were removed, such as "state_dict" and "module.".
        left_out: keys of the file next to the weights, such as "optimizer".
        dropped: tensors that were left out because of `drop_unexpected`.
    """

    source: str
    target: Path
    files: tuple[Path, ...]
    description: str
    head: str
    num_tensors: int
    num_parameters: int
    dtypes: tuple[str, ...]
    made_anew: tuple[str, ...]
    absent: tuple[str, ...]
    passed_over: Mapping[str, int]
    taken_off: tuple[str, ...]
    left_out: tuple[str, ...]
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float


def record_of(
    result: Conversion, opened: OpenedModel, *, to: Target, keep_layers: tuple[int, ...] | None
) -> dict[str, Any]:
    """Return the content of RECORD_NAME.

    It has no dates or paths, so the same conversion gives the same record.
    """
    files = [
        {"name": path.name, "num_bytes": path.stat().st_size, "sha256": sha256_of_file(path)} for path in opened.files
    ]
    return {
        "made_by": f"paddle_wwm {__version__}",
        "source": {"format": opened.description, "files": files},
        "target": to.value,
        "head": result.head or None,
        "dtypes": list(result.dtypes),
        "num_tensors": result.num_tensors,
        "num_parameters": result.num_parameters,
        "kept_layers": list(keep_layers) if keep_layers is not None else None,
        "made_anew": {"parts": list(result.made_anew), "seed": INITIAL_SEED} if result.made_anew else None,
        "absent": list(result.absent),
        "passed_over": dict(result.passed_over),
        "passed_over_names": {reason: list(names) for reason, names in opened.passed_over.items()},
        "taken_off": list(result.taken_off),
        "left_out": list(result.left_out),
        "dropped": list(result.dropped),
        "notes": list(result.notes),
    }


def describe(result: Conversion) -> str:
    """Return a text of what a conversion did, one line per fact."""
    lines = [
        f"source      {result.source}: {result.description}",
        f"model       {result.num_tensors} tensors, {result.num_parameters:,} parameters, {', '.join(result.dtypes)}",
    ]
    if result.head:
        lines.append(f"head        {result.head}")
    if result.taken_off:
        lines.append(f"taken off   {', '.join(result.taken_off)} (around the BERT, or in front of names)")
    if result.left_out:
        lines.append(f"not read    {', '.join(result.left_out)} (next to the weights in the file)")
    if result.passed_over:
        lines.append("skipped     " + ", ".join(f"{count} {reason}" for reason, count in result.passed_over.items()))
    if result.dropped:
        lines.append(f"left out    {', '.join(result.dropped)}")
    if result.made_anew:
        lines.append(
            f"initialised {', '.join(result.made_anew)}: missing in the source, so the values are random (the "
            f"initialisation of BERT) until they are trained; config.json records this"
        )
    if result.absent:
        lines.append(f"absent      {', '.join(result.absent)}: missing in the source, so also in the target")
    lines += [f"note        {note}" for note in result.notes]
    if not result.files:
        return "\n".join([*lines, f"dry run: nothing was written to {result.target}"])
    lines += [f"written     {path} ({path.stat().st_size:,} bytes)" for path in result.files]
    return "\n".join([*lines, f"done in {result.seconds:.1f} s"])
