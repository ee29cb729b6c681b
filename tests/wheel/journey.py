"""The steps of a user with the installed package: each runs commands and checks the files they leave."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

from paddle_wwm.hub.sources import version_of_the_project
from paddle_wwm.version import __version__

COMMAND_TIMEOUT_S = 900
SERVER_START_TIMEOUT_S = 120
# variables that could make a command of the new environment use files outside it
DROPPED_PREFIXES = ("PYTHON", "PADDLE_WWM_", "PIP_", "VIRTUAL_ENV", "MAKE", "PYTEST_")
SENTENCES = (
    "今天天气很好，我们去公园。",
    "他们在北京大学学习语言模型。",
    "房间很干净，服务也很好。",
    "地铁站台上没有人说话。",
)
REVIEWS = "label\ttext_a\n" + "1\t房间很干净，服务也好。\n0\t房间又小又吵。\n" * 8
MODULE = "my-first-bert"


class StepError(Exception):
    """A command failed, or its result is not as expected."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A virtual environment with paddle_wwm, and an empty working directory."""

    environment: Path  # the virtual environment
    folder: Path  # the working directory: not a checkout, empty at the start
    hub_home: Path  # the folder of installed modules; its path has no dash, see docs/modules.md

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.environment / "bin" / "python"

    def variables(self) -> dict[str, str]:
        """Return the environment variables of every command, without those of other installations."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED_PREFIXES)}
        home = str(self.folder / "home")
        path = f"{self.environment / 'bin'}{os.pathsep}{kept['PATH']}"
        return {**kept, "PATH": path, "HOME": home, "XDG_CACHE_HOME": home, "HUB_HOME": str(self.hub_home)}

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start `paddle-wwm ARGUMENTS`."""
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [str(self.environment / "bin" / "paddle-wwm"), *map(str, arguments)],
            cwd=self.folder,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: object) -> str:
        """Run `paddle-wwm ARGUMENTS` and return its output."""
        process = self.start(*arguments)
        try:
            output, _ = process.communicate(timeout=COMMAND_TIMEOUT_S)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.returncode != 0:
            raise StepError(f"{' '.join(map(str, arguments))}: exit status {process.returncode}\n{output}")
        return output

    def expect(self, *paths: str) -> None:
        """Check that these files exist."""
        missing = [path for path in paths if not (self.folder / path).is_file()]
        if missing:
            raise StepError(f"{', '.join(missing)}: must exist in {self.folder}, but do not.")


def help_text(installation: Installation) -> None:
    """Check that the entry point works and belongs to this environment."""
    if "pretrain" not in installation.run("--help"):
        raise StepError("--help must list `pretrain`, but does not.")
    code = "import paddle_wwm; print(paddle_wwm.__file__)"
    command = [str(installation.python), "-c", code]
    found = subprocess.run(
        command, cwd=installation.folder, env=installation.variables(), capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_relative_to(installation.environment):
        raise StepError(f"paddle_wwm must be imported from {installation.environment}, but is {found}.")


def doctor(installation: Installation) -> None:
    """Check that all pinned packages import and that LAC segments text."""
    installation.run("doctor")


def pretrain(installation: Installation, *overrides: str) -> None:
    """Run the quick start: the packaged corpus and recipe, with two workers."""
    installation.run("pretrain", "--output", "run", *overrides)
    installation.expect("run/model/config.json", "run/model/model_state.pdparams", "run/model/vocab.txt")


def dry_run_of_a_packaged_recipe(installation: Installation) -> None:
    """Find a packaged recipe by its name."""
    if "hidden_size" not in installation.run("pretrain", "--config", "small", "--output", "small", "--dry-run"):
        raise StepError("--dry-run of the recipe `small` must print the recipe, but does not.")


def prepare(installation: Installation) -> None:
    """Prepare shards from a text file."""
    text = "\n\n".join("\n".join([*SENTENCES[number:], *SENTENCES[:number]]) for number in range(len(SENTENCES)))
    (installation.folder / "corpus.txt").write_text(text + "\n", encoding="utf-8")
    installation.run("prepare-corpus", "corpus.txt", "--vocab", "run/model/vocab.txt", "--output", "shards")
    installation.run("inspect-shards", "shards", "--verify")
    installation.expect("shards/manifest.json")


def convert(installation: Installation) -> None:
    """Convert to the format of Hugging Face, back, and again: the bytes are the same."""
    installation.run("convert", "run/model", "converted", "--to", "huggingface")
    installation.run("convert", "converted", "back", "--to", "paddle")
    installation.run("convert", "back", "again", "--to", "huggingface")
    installation.expect("converted/model.safetensors", "back/model_state.pdparams")
    first, again = (installation.folder / name / "model.safetensors" for name in ("converted", "again"))
    if first.read_bytes() != again.read_bytes():
        raise StepError(f"{again} must have the same bytes as {first}, but differs.")


def finetune(installation: Installation) -> None:
    """Fine-tune on a TSV file: one seed, one epoch."""
    (installation.folder / "reviews.tsv").write_text(REVIEWS, encoding="utf-8")
    files = ("--kind", "classification", "--train", "reviews.tsv", "--dev", "reviews.tsv")
    installation.run(
        "finetune", *files, "--model", "run", "--epochs", 1, "--batch-size", 8, "--max-seq-length", 32, "--output", "ft"
    )
    installation.expect("ft/seed-1/model/config.json", "ft/seed-1/model/model_state.pdparams")


def hub_module(installation: Installation) -> None:
    """Build a module, install it, and fill a mask with it."""
    installation.run("hub", "build", "--name", MODULE, "--weights", "run/model", "--output", "modules")
    installation.expect(f"modules/{MODULE}-1.0.0.tar")
    installation.run("hub", "install", f"modules/{MODULE}-1.0.0.tar")
    output = installation.run("hub", "fill-mask", "--module", MODULE, "今天天气真[MASK]。")
    if "→ 今天天气真" not in output:
        raise StepError(f"hub fill-mask must print the filled text, but prints\n{output}")


def module_of_the_series(installation: Installation) -> None:
    """Build a module of the series, whose sources are generated."""
    installation.run("hub", "build", "--name", "rbt3", "--without-weights", "--output", "modules")
    installation.expect(f"modules/rbt3-{version_of_the_project(__version__)}.tar", "modules/rbt3/LICENSE")


def serve(installation: Installation) -> None:
    """Answer one request over the loopback interface."""
    with _server(installation) as address:
        body = json.dumps({"data": ["今天天气真[MASK]。"], "top_k": 3}).encode()
        request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as response:
            answer = json.load(response)
    if answer["status"] != "000" or len(answer["results"]) != 1:
        raise StepError(f"the server must answer with one result, but answers {answer}.")


@contextmanager
def _server(installation: Installation) -> Iterator[str]:
    """Serve the module on a free port and yield its address."""
    process = installation.start("hub", "serve", MODULE, "--task", "fill-mask", "--port", 0)
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()], daemon=True)
    reader.start()
    try:
        seen: list[str] = []
        deadline = time.monotonic() + SERVER_START_TIMEOUT_S
        while not seen or not seen[-1].startswith("serving "):
            try:
                seen.append(lines.get(timeout=1))
            except queue.Empty:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StepError('hub serve must print "serving ", but prints\n' + "".join(seen)) from None
        yield seen[-1].split(": ")[-1].strip()
    finally:
        process.terminate()
        process.wait(timeout=60)


Step = Callable[[Installation], None]
AFTER_PRETRAINING: tuple[Step, ...] = (
    dry_run_of_a_packaged_recipe,
    prepare,
    convert,
    finetune,
    hub_module,
    module_of_the_series,
)


def walk(installation: Installation, steps: tuple[Step, ...]) -> None:
    """Run the steps in order and print the time of each."""
    for step in steps:
        started = time.monotonic()
        step(installation)
        name = getattr(step, "__name__", "step").replace("_", " ")
        print(f"  {name:30} {time.monotonic() - started:6.1f} s", flush=True)
