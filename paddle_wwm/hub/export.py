"""Export a module's `forward` as a static program, or as ONNX."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Sequence

import paddle

from ..compute.choice import exact
from ..errors import HubModuleError
from ..model.folder import VOCAB_NAME
from ..tokenization.vocab import Vocab


class _OfTexts(paddle.nn.Layer):
    """`forward` with the inputs of the exported program, and no others."""

    input_names: tuple[str, ...] = ("input_ids", "token_type_ids")

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor) -> Any:
        return self.module.forward(input_ids, token_type_ids)


class _OfTowers(_OfTexts):
    input_names = ("query_input_ids", "query_token_type_ids", "title_input_ids", "title_token_type_ids")

    def forward(  # type: ignore[override]
        self,
        query_input_ids: paddle.Tensor,
        query_token_type_ids: paddle.Tensor,
        title_input_ids: paddle.Tensor,
        title_token_type_ids: paddle.Tensor,
    ) -> Any:
        return self.module.forward(
            query_input_ids=query_input_ids,
            query_token_type_ids=query_token_type_ids,
            title_input_ids=title_input_ids,
            title_token_type_ids=title_token_type_ids,
        )


def export_program(module: Any, folder: Path, *, stem: str, input_spec: Sequence[Any] | None, vocab: Vocab) -> Path:
    """Write FOLDER/STEM.json, .pdiparams and vocab.txt; return the first path."""
    network = (_OfTowers if module.task == "text-matching" else _OfTexts)(module)
    names = network.input_names
    spec = list(input_spec or (paddle.static.InputSpec([None, None], "int64", name) for name in names))
    if len(spec) != len(names):
        raise HubModuleError(f"`input_spec` must describe {', '.join(names)}, but describes {len(spec)} inputs.")
    folder.mkdir(parents=True, exist_ok=True)
    was_training = module.training
    module.eval()
    try:
        with exact():  # Paddle's own operators: ours are Python functions, which a program cannot contain
            paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), str(folder / stem))
    finally:
        if was_training:
            module.train()
    vocab.save(folder / VOCAB_NAME)
    return folder / f"{stem}.json"


def export_onnx(
    module: Any, folder: Path, *, stem: str, input_spec: Sequence[Any] | None, vocab: Vocab, options: dict[str, Any]
) -> None:
    """Write FOLDER/STEM.onnx with paddle2onnx, and vocab.txt.

    paddle2onnx's optimizer is switched off: it installs other packages, which break paddlehub.
    """
    import paddle2onnx

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as programs:
        program = export_program(module, Path(programs), stem=stem, input_spec=input_spec, vocab=vocab)
        files = {"model_filename": str(program), "params_filename": str(program.with_suffix(".pdiparams"))}
        paddle2onnx.export(**files, save_file=str(folder / f"{stem}.onnx"), **{"optimize_tool": "None", **options})
    vocab.save(folder / VOCAB_NAME)
