"""What `prepare-corpus --dry-run` prints: the sources, what is wrong with them, and what the work will take."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from ..errors import DataError
from .reading_flags import print_sources

if TYPE_CHECKING:
    from ..corpus.formats import Source
    from ..shards.preparation.estimate import Estimate

MAX_PROBLEMS_SHOWN = 20


def print_dry_run(found: Estimate, *, sources: Sequence[Source], output: Path, num_workers: int) -> None:
    """Print the result of a dry run.

    Raises:
        DataError: A source cannot be read.
    """
    from ..amounts import duration_text, short_number, size_text
    from ..shards.preparation.prepared_summary import report_lines

    print_sources(sources)
    print(f"would read {len(sources):,} files and write {output}:")
    for kind, (number, size) in found.kinds.items():
        print(f"  {kind:16}{number:>10,} files{size_text(size):>12}")
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
        f"  text    {short_number(found.num_chars)} characters, {short_number(found.num_tokens)} tokens\n"
        f"  time    {duration_text(max(1.0, found.seconds))} with {num_workers} workers\n"
        f"  disk    {size_text(found.shard_bytes)} for the shards, {size_text(found.working_bytes)} more while working "
        f"({size_text(free)} are free)"
    )
    if needed > free:
        print(f"  WARNING: {size_text(needed)} are needed, so the disk will be full before the end")
