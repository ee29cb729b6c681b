"""The devices that this build of Paddle can train on."""

from __future__ import annotations

import os


def visible_gpus() -> list[str]:
    """The GPUs that this build of Paddle can use; none with a CPU build."""
    import paddle

    if not paddle.is_compiled_with_cuda():
        return []
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [item for item in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if item]
    return [str(number) for number in range(paddle.device.cuda.device_count())]
