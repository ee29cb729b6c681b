"""Run commands of the package as processes, several at a time, and forward signals to them."""

from __future__ import annotations

import contextlib
import signal
from typing import Iterator, Sequence

from paddle_wwm.errors import SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS, Interrupted
from paddle_wwm.progress import counted, show_bar
from paddle_wwm.runs.processes import Command, raise_for, run_processes

GRACE_S = 90.0  # time to save after a signal
REMEDY = "To continue, rerun the same command."


@contextlib.contextmanager
def signals_interrupt() -> Iterator[None]:
    """Raise Interrupted in the block on SIGTERM and Ctrl-C."""

    def stop(number: int, _: object) -> None:
        status = SIGINT_EXIT_STATUS if number == signal.SIGINT else SIGTERM_EXIT_STATUS
        raise Interrupted(f"finished work is saved. {REMEDY}", exit_status=status)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_all(commands: Sequence[Command], *, num_jobs: int = 1, what: str = "") -> None:
    """Run the commands in order, `num_jobs` at a time.

    Raises:
        TrainingError: A command failed; the others were asked to stop.
    """
    on_terminal = [command for command in commands if command.log is None]  # these show their own progress bars
    for command in on_terminal:
        print(f"  {command.name}:", flush=True)
        _run([command], num_jobs=1, what=what)
    _run([command for command in commands if command.log is not None], num_jobs=num_jobs, what=what)


def _run(commands: Sequence[Command], *, num_jobs: int, what: str) -> None:
    progress = show_bar if len(commands) > 1 else None
    with counted(progress, stage=what, total=len(commands), unit=" runs") as counter:
        ended = run_processes(
            commands,
            num_at_a_time=num_jobs,
            grace_s=GRACE_S,
            failed_grace_s=GRACE_S,
            on_poll=lambda num_ended: counter.update(num_ended - counter.done),
        )
    raise_for(ended, commands, remedy=REMEDY)
    if ended.stop:  # the signal came while the last command was ending
        signal.raise_signal(ended.stop)
