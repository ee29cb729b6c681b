"""The child process that writes ONNX: paddle2onnx changes settings of its process."""

from __future__ import annotations

from typing import Any


def main(request: dict[str, Any]) -> None:
    """Call paddle2onnx.export with the arguments of the request."""
    import paddle2onnx

    paddle2onnx.export(**request["arguments"])
