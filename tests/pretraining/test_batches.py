"""The split of a global batch into micro-batches for any number of devices."""

import pytest

from paddle_wwm.config import PhaseConfig, PretrainRecipe, RuntimeConfig
from paddle_wwm.errors import ConfigError
from paddle_wwm.pretraining.batches import accumulation_steps, check_batches


@pytest.mark.parametrize("num_workers", [1, 2, 8, 16, 64])
def test_micro_batch_times_workers_times_accumulation_is_the_global_batch(num_workers):
    count = accumulation_steps(global_batch_size=2560, micro_batch_size=20, num_workers=num_workers)
    assert count * 20 * num_workers == 2560


@pytest.mark.parametrize(
    ("size", "micro", "workers", "message"),
    [
        (384, 16, 64, r"x workers = 16 x 64 = 1024, but is 384\. Set runtime\.micro_batch_size=6\."),
        (6, 4, 2, r"= 8, but is 6\. Set runtime\.micro_batch_size=3\."),
        (6, 4, 4, r"= 16, but is 6\. Set another number of workers with --nproc\."),
    ],
)
def test_the_error_for_a_batch_that_cannot_be_split_suggests_a_size(size, micro, workers, message):
    with pytest.raises(ConfigError, match=message):
        accumulation_steps(global_batch_size=size, micro_batch_size=micro, num_workers=workers)


def test_the_error_for_a_batch_that_cannot_be_split_names_the_phase():
    phases = tuple(
        PhaseConfig(max_seq_length=32, global_batch_size=size, num_steps=1, learning_rate=1e-3) for size in (8, 6)
    )
    config = PretrainRecipe(phases=phases, runtime=RuntimeConfig(micro_batch_size=4))
    with pytest.raises(ConfigError, match=r"^`phases\.1`: `global_batch_size` must be a multiple"):
        check_batches(config, num_workers=2)
