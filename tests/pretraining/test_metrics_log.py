"""The metrics log of a run when the run is resumed, and its curves."""

import resource

import pytest

from paddle_wwm.errors import TrainingError
from paddle_wwm.pretraining.metrics_log import Reporter, draw_curves, read_metrics
from paddle_wwm.pretraining.run_folder import CURVES_NAME
from paddle_wwm.pretraining.visualdl_log import VisualDlLog

VALUES = {"loss": 3.0, "mlm_loss": 2.5, "masked_accuracy": 0.25, "tokens_per_s": 1000.0}


def report(output, *, steps, first_step=0):
    reporter = Reporter(output, num_steps=100, first_step=first_step)
    for step in steps:
        reporter.log("train", step, VALUES)
    reporter.log("held_out", steps[-1], VALUES)
    reporter.close()


def test_a_resumed_run_replaces_the_records_of_the_steps_that_it_trains_again(tmp_path):
    report(tmp_path, steps=[10, 20, 30])
    report(tmp_path, steps=[30, 40], first_step=20)
    assert [(record["kind"], record["step"]) for record in read_metrics(tmp_path)] == [
        ("train", 10),
        ("train", 20),
        ("train", 30),
        ("train", 40),
        ("held_out", 40),
    ]


def test_the_curves_are_a_png_file(tmp_path):
    report(tmp_path, steps=[10, 20])
    path = draw_curves(tmp_path, baseline={"mlm_loss": 6.0, "masked_accuracy": 0.05})
    assert path.name == CURVES_NAME and path.read_bytes().startswith(b"\x89PNG")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["loss.png", "metrics.jsonl", "visualdl"]


def test_curves_that_visualdl_cannot_write_stop_the_run_with_the_path_and_the_remedy(tmp_path):
    """VisualDL writes in a thread. An error there made the trainer wait forever once the queue was full."""
    log = VisualDlLog(tmp_path / "visualdl")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(TrainingError, match="cannot be written") as raised:
            for step in range(100_000):
                log.write("train", step, VALUES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.close()
    assert str(tmp_path / "visualdl") in str(raised.value) and "To continue" in str(raised.value)
