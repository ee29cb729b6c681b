"""The page of a finished run: summary, curves, guesses of the model, recipe, machine and command."""

from __future__ import annotations

import html
import os
import platform
from pathlib import Path

from ..files import atomic_write, read_json
from ..html_page import html_page
from ..picture_style import as_svg, styled
from ..runs.devices import visible_gpus
from ..runs.folder import read_record
from ..version import __version__
from .guesses import Guesses, read_guesses
from .metrics_log import curves_figure, read_metrics
from .result import read_result, summary
from .run_folder import BASELINE_NAME, GUESSES_NAMES, PAGE_NAME, RECIPE_NAME


def write_page(output: Path) -> Path:
    """Write the page of the finished run in `output`, and return its path."""
    with styled():
        curves = as_svg(curves_figure(read_metrics(output), baseline=read_json(output / BASELINE_NAME)))
    command = (read_record(output) or {}).get("command")
    sections = [
        _section("Result", _pre(summary(read_result(output)))),
        _section("Curves", f'<div class="plots"><div style="max-width:none">{curves}</div></div>'),
        _section("Guesses on held-out examples", _guesses(output)),
        _section("Recipe", _pre((output / RECIPE_NAME).read_text(encoding="utf-8"))),
        _section("Machine", f"<p>{html.escape(machine())}</p>"),
        *([_section("Command", _pre(command))] if command else []),
    ]
    path = output / PAGE_NAME
    with atomic_write(path, "w") as stream:
        stream.write(html_page(title=f"Pretraining: {output.name}", sections=sections))
    return path


def machine() -> str:
    """Return the processors, the GPUs, the system and the versions, in one line."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            name = next((line.split(":", 1)[1].strip() for line in stream if line.startswith("model name")), name)
    except OSError:
        pass  # not Linux
    import paddle

    gpus = f"{len(visible_gpus())} GPU(s), " if visible_gpus() else ""
    return (
        f"{os.cpu_count()} cores of {name}, {gpus}{platform.platform()}, Python {platform.python_version()}, "
        f"Paddle {paddle.__version__}, paddle_wwm {__version__}"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{html.escape(title)}</h2>\n{body}</section>\n"


def _pre(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"


def _guesses(output: Path) -> str:
    """Return the examples at the start and at the end of the run, one below the other."""
    found = [read_guesses(output / name) for name in GUESSES_NAMES]
    rows = [
        "<p>Marked: masked pieces. Below each example: piece → guess and its probability, "
        '<span class="right">right</span> or <span class="wrong">wrong</span>.</p>'
    ]
    for step, examples in [item for item in found if item]:
        rows.append(f"<h3>after step {step:,}</h3>")
        rows += [_example(item) for item in examples]
    return "\n".join(rows)


def _example(item: Guesses) -> str:
    masked = dict(zip(item.positions, item.inputs))
    text = " ".join(
        f'<mark title="the model reads {html.escape(masked[place], quote=True)}">{html.escape(piece)}</mark>'
        if place in masked
        else html.escape(piece)
        for place, piece in enumerate(item.pieces)
    )
    answers = []
    for place, guess, probability in zip(item.positions, item.guesses, item.probabilities):
        kind = "right" if guess == item.pieces[place] else "wrong"
        answers.append(
            f'<span class="{kind}">{html.escape(item.pieces[place])} → {html.escape(guess)} {probability:.0%}</span>'
        )
    return f"<p>{text}<br><small>{'; '.join(answers)}</small></p>"
