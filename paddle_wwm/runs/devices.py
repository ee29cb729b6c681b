"""The devices that this build of Paddle can train on, and how a process is set up for training."""

from __future__ import annotations

import os

from ..cpu import keep_freed_memory


def visible_gpus() -> list[str]:
    """The GPUs that this build of Paddle can use; none with a CPU build."""
    import paddle

    if not paddle.is_compiled_with_cuda():
        return []
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [item for item in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if item]
    return [str(number) for number in range(paddle.device.cuda.device_count())]


def prepare_training(*, seed: int) -> None:
    """Set this process up for training and seed Paddle's random numbers."""
    import paddle

    # plain contiguous kernels: 14-17% faster on the CPU, equal numbers
    paddle.set_flags({"FLAGS_use_stride_kernel": False})
    keep_freed_memory()
    paddle.seed(seed)
