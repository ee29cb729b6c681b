"""All stages of the experiment: finished work is skipped, interrupted work continues."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Mapping

from paddle_wwm.errors import ConfigError
from paddle_wwm.shards.manifest import MANIFEST_NAME
from paddle_wwm.shards.reader import ShardSet

from . import corpus
from .experiment import EvidenceConfig, model_name
from .finetune import finetune, seed_results
from .masked import measure_masked, read_masked
from .page import Page, make_page, status_of, write_page
from .pretrain import is_pretrained, pretrain, save_first_weights
from .processes import signals_interrupt
from .settings import keep_plan, read_settings, save_settings

PAGE_NAME = "evidence.md"


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The stages of an experiment, by name.

    Args:
        plan: A file to save before any run.
        follow_ups: Folders of other experiments to report on the page.
        docs: A second path for the page.
    """

    config: EvidenceConfig
    plan: Path | None = None
    follow_ups: tuple[Path, ...] = ()
    docs: Path | None = None

    def run(self, names: Iterable[str]) -> None:
        """Run these stages in order."""
        self._check()
        stages: Mapping[str, Callable[[], None]] = {
            "corpus": self._corpus,
            "shards": self._shards,
            "pretrain": self._pretrain,
            "masked": self._masked,
            "finetune": lambda: finetune(self.config),
            "report": self._report,
        }
        self.config.output.mkdir(parents=True, exist_ok=True)
        if self.plan is not None:
            keep_plan(self.config, self.plan)
        save_settings(self.config)
        with signals_interrupt():
            for name in names:
                print(f"== {name}", flush=True)
                started = time.monotonic()
                stages[name]()
                print(f"   {name}: {(time.monotonic() - started) / 60:.1f} min", flush=True)

    def describe(self) -> str:
        """Return what is done and what remains, without writing anything."""
        self._check()
        config = self.config
        lines = [
            f"corpus    {'done' if config.corpus_path.exists() else 'to do'}",
            f"shards    {'done' if (config.shards_path / MANIFEST_NAME).exists() else 'to do'}",
        ]
        lines += [
            f"pretrain  {model_name(arm, seed)}: {_done(is_pretrained(config, arm, seed))}"
            for arm, seed in config.pretrained()
        ]
        lines += [
            f"masked    {model_name(arm, seed)}: {_done(bool(read_masked(config, arm, seed)))}"
            for arm, seed in config.pretrained()
        ]
        for task in config.tasks:
            for arm, seed in config.models():
                done = len(seed_results(config, task, arm, seed))
                lines.append(
                    f"finetune  {task.task}, {model_name(arm, seed)}: {done} of {config.num_seeds_of(arm)} seeds done"
                )
        return "\n".join([*lines, status_of(config)])

    def _check(self) -> None:
        for path in (self.config.vocab, self.config.recipe):
            if not path.exists():
                raise ConfigError(f"{path}: no such file.")
        if not self.config.tasks:
            raise ConfigError("no task to fine-tune on: give --chnsenticorp DIR, --cmrc DIR, or both.")

    def _corpus(self) -> None:
        report = corpus.write_corpus(self.config)
        print(
            (
                f"  {self.config.corpus_path}: {report['num_left_out']:,} of {report['num_documents']:,} "
                f"documents left out"
            ),
            flush=True,
        )

    def _shards(self) -> None:
        manifest = corpus.prepare_shards(self.config).manifest
        print(
            f"  {self.config.shards_path}: {manifest.num_documents:,} documents, {manifest.num_tokens:,} tokens",
            flush=True,
        )

    def _pretrain(self) -> None:
        shards = ShardSet(self.config.shards_path)
        pretrain(self.config, shards=shards)
        save_first_weights(self.config, shards=shards)

    def _masked(self) -> None:
        measure_masked(self.config, shards=ShardSet(self.config.shards_path))

    def _report(self) -> None:
        page = self.page()
        written = write_page(page, self.config.output / PAGE_NAME)
        if self.docs is not None:
            written += write_page(page, self.docs)
        print(page.text)
        for path in written:
            print(f"written: {path}")

    def page(self) -> Page:
        """Build the page from the current state of the output folder."""
        others = [read_settings(folder) for folder in self.follow_ups]
        name = self.docs.stem if self.docs is not None else Path(PAGE_NAME).stem
        return make_page(self.config, name=name, follow_ups=others)


def _done(done: bool) -> str:
    return "done" if done else "to do"
