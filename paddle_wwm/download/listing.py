"""The texts that `paddle-wwm download` prints: a plan, a stored model, all models."""

from __future__ import annotations

from pathlib import Path

from ..files import size_text
from ..variants import VARIANTS
from .home import download_folder, find_stored, model_folder, stored_models, unfinished_downloads
from .models import Plan


def _size(num_bytes: int | None) -> str:
    return "size not stated" if num_bytes is None else size_text(num_bytes)


def lines_of_plan(plan: Plan) -> list[str]:
    """Return the lines that describe a plan."""
    if plan.stored:
        return [f"{plan.wanted.name}: is stored already: {plan.stored.folder} (nothing would be fetched)"]
    lines = [
        (
            f"{plan.wanted.name}: would be fetched from "
            f"{plan.origin}{f', commit {plan.commit[:12]}' if plan.commit else ''}"
        )
    ]
    lines += [f"  {file.name:<28} {_size(file.size_bytes):>12}  checked by {file.checked_by}" for file in plan.files]
    sizes = [file.size_bytes for file in plan.files if file.size_bytes is not None]
    is_stated = len(sizes) == len(plan.files)
    total = "nothing" if not plan.files else _size(sum(sizes) if is_stated else None)
    return [*lines, f"  to transfer: {total}", f"  it would be stored in {plan.wanted.target}"]


def lines_of_model(folder: Path) -> list[str]:
    """Return the lines that describe a stored model and its origin."""
    stored = find_stored(folder.name, home=folder.parent.parent)
    assert stored is not None  # `fetch` returned this folder
    record = stored.record
    lines = [f"{record['name']}: {folder} ({size_text(stored.size_bytes)})"]
    if "repository" in record:
        lines.append(
            f"  from {record['repository']} at {record['endpoint']}, commit {record['commit'][:12]} "
            f"({record['revision']})"
        )
    else:
        commit = f" at {record['endpoint']}, commit {record['commit'][:12]}" if "commit" in record else ""
        lines.append(f"  from {record['from']}{commit}")
    lines += [
        f"  {file['name']:<28} {size_text(file['size_bytes']):>12}  {_verdict(file['checked_by'])}"
        for file in record["files"]
    ]
    lines += [f"  note: {note}" for note in record["notes"]]
    return [*lines, f"use it: paddle-wwm pretrain --init {folder} …"]


def _verdict(checked_by: str) -> str:
    return {
        "size only": "size agrees; the server stated no checksum",
        "not checked": "given by the user",
        "nothing": "the server stated neither size nor checksum",
    }.get(checked_by, f"{checked_by} agrees")


def inventory_of(home: Path) -> str:
    """Return one line per model, for the models of the table and the stored ones."""
    here = stored_models(home=home)
    rows = [(variant.name, variant.source, variant.name) for variant in VARIANTS]
    known = {key for _, _, key in rows}
    rows += [
        (stored.key, stored.record.get("repository") or "-", key) for key, stored in here.items() if key not in known
    ]
    lines = [f"{'model':<48} {'from':<54} here"]
    lines += [
        f"{name:<48} {source:<54} {size_text(here[key].size_bytes) if key in here else '-'}"
        for name, source, key in rows
    ]
    lines += ["", f"{len(here)} here, in {model_folder('', home=home)}"]
    unfinished = [f"{key} ({size_text(num_bytes)})" for key, num_bytes in unfinished_downloads(home=home).items()]
    if unfinished:
        lines.append(
            f"unfinished, in {download_folder('', home=home)}: {', '.join(unfinished)}; the same command continues it"
        )
    return "\n".join(lines)
