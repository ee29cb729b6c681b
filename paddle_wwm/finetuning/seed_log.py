"""The log of a seed: a line for every step and every evaluation of dev, also across a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

from ..files import atomic_write, read_log
from .state import SeedState


class SeedLog:
    """log.jsonl of a seed; what a killed run has written beyond its checkpoint is dropped."""

    def __init__(self, path: Path, *, state: SeedState) -> None:
        evaluated = {record["step"] for record in state.dev_scores}
        kept = [
            record
            for record in read_log(path)
            if (record["step"] in evaluated if record["kind"] == "dev" else record["step"] <= state.step)
        ]
        with atomic_write(path, "w") as stream:
            stream.writelines(json.dumps(record) + "\n" for record in kept)
        self._stream = open(path, "a", encoding="utf-8")  # noqa: SIM115  (closed by __exit__)

    def __enter__(self) -> SeedLog:
        return self

    def __exit__(self, *_: Any) -> None:
        self._stream.close()

    def write(self, kind: str, place: Mapping[str, float], **values: float) -> None:
        """kind: "train" or "dev"."""
        self._stream.write(json.dumps({"kind": kind, **place, **values}) + "\n")
        self._stream.flush()
