"""Split the trial and development sets of CMRC 2018 into train, dev and test parts that share no passage.

It is for machines that have only these two sets. The trial set is used for training. The hash of a development passage
decides the part for it and all its questions, so the split is the same on any machine and in any order of the file.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Mapping

from paddle_wwm.errors import DataError
from paddle_wwm.files import atomic_write

SOURCES = ("cmrc2018_trial.json", "cmrc2018_dev.json")
SHARES = {"train": 0.50, "dev": 0.15, "test": 0.35}  # of the development set


def read_squad(path: Path) -> dict[str, Any]:
    """Read a file in SQuAD format.

    Raises:
        DataError: The file does not exist or is not in SQuAD format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
        if not all(
            "context" in paragraph and "qas" in paragraph
            for article in values["data"]
            for paragraph in article["paragraphs"]
        ):
            raise ValueError("a paragraph must have `context` and `qas`")
        return values
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; the folder must contain the published files {' and '.join(SOURCES)}."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not in SQuAD format: {error!r}.") from None


def part_of(context: str) -> str:
    """Return the part to which a passage of the development set belongs."""
    place = int.from_bytes(hashlib.sha256(context.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64
    for part, share in SHARES.items():
        if place < share:
            return part
        place -= share
    return "test"


def texts_of(source: Path) -> list[str]:
    """Return all passages and questions, to exclude them from a pretraining corpus."""
    paragraphs = [
        paragraph
        for name in SOURCES
        for article in read_squad(source / name)["data"]
        for paragraph in article["paragraphs"]
    ]
    return [
        text
        for paragraph in paragraphs
        for text in (paragraph["context"], *(item["question"] for item in paragraph["qas"]))
    ]


def write_parts(source: Path, *, output: Path) -> Mapping[str, int]:
    """Write cmrc2018_train.json, _dev.json and _test.json into the folder `output`.

    Returns:
        The number of questions per part.

    Raises:
        DataError: A part would be empty.
    """
    trial, development = (read_squad(source / name) for name in SOURCES)
    parts: dict[str, list[Any]] = {part: [] for part in SHARES}
    parts["train"] += trial["data"]
    trained_on = {paragraph["context"] for article in trial["data"] for paragraph in article["paragraphs"]}
    for article in development["data"]:
        by_part: dict[str, list[Any]] = {}
        for paragraph in article["paragraphs"]:
            part = "train" if paragraph["context"] in trained_on else part_of(paragraph["context"])
            by_part.setdefault(part, []).append(paragraph)
        for part, paragraphs in by_part.items():
            parts[part].append({**article, "paragraphs": paragraphs})
    counts = {
        part: sum(len(paragraph["qas"]) for article in articles for paragraph in article["paragraphs"])
        for part, articles in parts.items()
    }
    if not all(counts.values()):
        raise DataError(f"{source / SOURCES[1]}: too few passages to split into train, dev and test: {counts}.")
    for part, articles in parts.items():
        with atomic_write(output / f"cmrc2018_{part}.json", "w") as stream:
            json.dump({"version": development.get("version", ""), "data": articles}, stream, ensure_ascii=False)
    return counts
