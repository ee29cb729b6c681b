"""What `prepare-corpus --dry-run` prints: the sources, what is wrong with them, and what the work will take."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from ..errors import DataError

if TYPE_CHECKING:
    from ..corpus.formats import Source
    from ..shards.preparation.estimate import Estimate

MAX_SOURCES_SHOWN = 50
MAX_PROBLEMS_SHOWN = 20


def print_dry_run(found: Estimate, *, sources: Sequence[Source], output: Path, num_workers: int) -> None:
    """Print the result of a dry run.

    Raises:
        DataError: A source cannot be read.
    """
    from ..shards.preparation.estimate import kind_of
    from ..shards.preparation.prepared_summary import report_lines

    for source in sources[:MAX_SOURCES_SHOWN]:
        print(f"  {source.path}  {kind_of(source)}  {_size(source.size)}")
    if len(sources) > MAX_SOURCES_SHOWN:
        print(f"  … and {len(sources) - MAX_SOURCES_SHOWN:,} more")
    print(f"would read {len(sources):,} files and write {output}:")
    for kind, (number, size) in found.kinds.items():
        print(f"  {kind:16}{number:>10,} files{_size(size):>12}")
    if found.report.counts:
        print("\n".join(("in the sample that was read:", *report_lines(found.report))))
    if found.problems:
        print(f"{len(found.problems):,} sources cannot be read:")
        for problem in found.problems[:MAX_PROBLEMS_SHOWN]:
            print(f"  {problem}")
        shown = f", of which {MAX_PROBLEMS_SHOWN} are listed above" if len(found.problems) > MAX_PROBLEMS_SHOWN else ""
        raise DataError(
            f"{len(found.problems):,} of {len(sources):,} sources cannot be read{shown}; nothing was written."
        )
    if not found.num_sampled_chars:
        raise DataError("no text is left in the sample; check --format, --text-key and the cleaning rules.")
    needed = found.shard_bytes + found.working_bytes
    folder = next(parent for parent in (output.absolute(), *output.absolute().parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    print(
        f"estimate from a sample of {found.num_sampled_chars:,} characters, on this machine:\n"
        f"  text    {_short(found.num_chars)} characters, {_short(found.num_tokens)} tokens\n"
        f"  time    {_duration(found.seconds)} with {num_workers} workers\n"
        f"  disk    {_size(found.shard_bytes)} for the shards, {_size(found.working_bytes)} more while working "
        f"({_size(free)} are free)"
    )
    if needed > free:
        print(f"  WARNING: {_size(needed)} are needed, so the disk will be full before the end")


def _short(number: float) -> str:
    for unit, name in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.0f}"


def _size(number: float) -> str:
    return f"{_short(number)}B" if number >= 1e3 else f"{number:.0f} B"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
