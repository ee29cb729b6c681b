"""The folders of a preparation: the output folder, and the folder of unfinished work."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from pathlib import Path
from typing import Iterator

from ...errors import SIGINT_EXIT_STATUS, DataError, Interrupted
from ...files import write_json
from ...tokenization.vocab import Vocab
from .merge_units import NothingLeftError
from .work_plan import Plan

logger = logging.getLogger(__name__)
PLAN_NAME = "plan.json"
# How the work is divided into batches and files. Version 1: one batch per source. Version 2: no counts of phrases, and
# one batch per dump.
LAYOUT = 3


def check_replaceable(
    directory: Path, *, holds_shards: bool, overwrite: bool, made_of: str = "other data or options"
) -> None:
    """Raise DataError unless the output folder is empty or its shards may be replaced."""
    if not any(directory.iterdir()):
        return
    if not holds_shards:
        raise DataError(f"{directory}: is not empty and holds no shards; name another folder (it is not overwritten).")
    if not overwrite:
        raise DataError(
            f"{directory}: holds shards of {made_of}; name another folder, or add --overwrite to replace them."
        )


@contextlib.contextmanager
def kept_for_later(plan: Plan) -> Iterator[None]:
    """Keep the finished work if the block raises, and report how to continue.

    The folder is removed if no work was finished.
    """
    try:
        yield
    except BaseException as error:
        done = [
            path
            for folder in (plan.tokens_folder, plan.text_folder)
            if folder.exists()
            for path in folder.glob("*.json")
        ]
        if not done or isinstance(error, NothingLeftError):
            shutil.rmtree(plan.folder, ignore_errors=True)
        elif isinstance(error, KeyboardInterrupt):
            message = f"Ctrl-C; finished work is kept in {plan.folder}: to continue, rerun the same command."
            raise Interrupted(message, exit_status=SIGINT_EXIT_STATUS) from None
        else:
            logger.info(
                "finished work is kept in %s: to continue, repeat the same preparation; otherwise delete the folder.",
                plan.folder,
            )
        raise


def start_work(plan: Plan, vocab: Vocab) -> None:
    """Reuse the folder of unfinished work, or make a new one.

    A folder of another preparation or layout is deleted.

    Raises:
        DataError: The folder holds files that do not belong to a preparation.
    """
    path = plan.folder / PLAN_NAME
    ours = {"fingerprint": plan.fingerprint, "layout": LAYOUT}
    try:
        is_ours = json.loads(path.read_text(encoding="utf-8")) == ours
    except (OSError, ValueError):
        is_ours = False
    if not is_ours and plan.folder.exists():
        if not path.exists() and any(plan.folder.iterdir()):
            raise DataError(
                f"{plan.folder}: is not empty and holds no unfinished preparation; this name is needed for unfinished "
                f"work, so move the folder away."
            )
        logger.info("%s: unfinished work of other data, options or another version is deleted.", plan.folder)
        shutil.rmtree(plan.folder)
    plan.text_folder.mkdir(parents=True, exist_ok=True)
    plan.tokens_folder.mkdir(exist_ok=True)
    if not is_ours:
        vocab.save(plan.vocab_path)
        write_json(path, ours)
