"""What a conversion did, for people."""

from __future__ import annotations

from .convert import Conversion


def describe(result: Conversion) -> str:
    """The summary, a line a fact, with the paths that were written."""
    lines = [
        f"source      {result.source}: {result.description}",
        f"model       {result.num_tensors} tensors, {result.num_parameters:,} parameters, {', '.join(result.dtypes)}",
    ]
    if result.passed_over:
        lines.append("passed over " + ", ".join(f"{count} {reason}" for reason, count in result.passed_over.items()))
    if result.dropped:
        lines.append(f"left out    {', '.join(result.dropped)}")
    if result.made_anew:
        lines.append(
            f"made anew   {', '.join(result.made_anew)}: the source has none, so they are random (as BERT "
            f"initialises them) until they are trained; "
            "config.json records it"
        )
    if result.absent:
        lines.append(f"absent      {', '.join(result.absent)}: the source has none, and neither has the target")
    lines += [f"note        {note}" for note in result.notes]
    if not result.files:
        return "\n".join([*lines, f"dry run: nothing was written to {result.target}"])
    lines += [f"written     {path} ({path.stat().st_size:,} bytes)" for path in result.files]
    return "\n".join([*lines, f"done in {result.seconds:.1f} s"])
