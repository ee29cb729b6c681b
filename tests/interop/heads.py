"""The part of `make interop` for fine-tuned heads: every head in every direction, also at the size of BERT-base."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any, Callable

import numpy as np
import paddle

from paddle_wwm import load_model
from paddle_wwm.conversion.convert import convert
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.saving import Target
from paddle_wwm.conversion.verify import make_inputs
from paddle_wwm.hub.build import build_module
from tests.interop.sizes import BASE, SMALL

Call = Callable[..., dict[str, Any]]


def ours(folder: Path, task: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of our network."""
    network = load_model(folder, task=task)
    ids, types, mask = (paddle.to_tensor(inputs[name]) for name in ("input_ids", "token_type_ids", "attention_mask"))
    with paddle.no_grad():
        return {"logits": network(ids, types, mask.astype("bool")).numpy()}


def paddlenlps(folder: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of PaddleNLP's class, opened with its Auto class."""
    from paddlenlp import transformers
    from paddlenlp.utils.log import logger

    logger.set_level("ERROR")
    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    network = getattr(transformers, architecture.replace("Bert", "AutoModel", 1)).from_pretrained(str(folder))
    network.eval()
    ids, types, mask = (paddle.to_tensor(inputs[name]) for name in ("input_ids", "token_type_ids", "attention_mask"))
    with paddle.no_grad():
        found = network(ids, token_type_ids=types, attention_mask=mask.astype("bool"))
    return {
        "logits": np.stack([one.numpy() for one in found], -1) if isinstance(found, (tuple, list)) else found.numpy()
    }


def check_heads(report: Any, *, work: Path, call: Call, torch: Path, tensorflow: Path | None) -> None:
    """Check models that transformers makes, in all frameworks and back in transformers."""
    for title, config in (("small", SMALL), ("12 x 768", BASE)):
        folder = work / f"heads-{title.replace(' ', '')}"
        folder.mkdir()
        inputs = make_inputs(config)
        np.savez(folder / "inputs.npz", **inputs)
        (folder / "sizes.json").write_text(json.dumps(dataclasses.asdict(config)))
        call(torch, "in_torch_heads.py", "make", folder, folder / "sizes.json", folder / "inputs.npz")
        for source in sorted(path for path in folder.iterdir() if path.is_dir()):
            task, expected = source.name, dict(np.load(folder / f"{source.name}.npz"))
            what, place = f"{task} ({title})", folder / f"{task}-work"
            convert(source, target=place / "paddle", to=Target.PADDLE)
            report.outputs(f"{what}: transformers -> ours", ours(place / "paddle", task, inputs), expected)
            report.outputs(f"{what}: transformers -> PaddleNLP", paddlenlps(place / "paddle", inputs), expected)
            report.outputs(f"{what}: load_model of the folder of transformers", ours(source, task, inputs), expected)
            built = build_module(name="interop-head", weights=source, output=place / "dist")
            report.outputs(f"{what}: transformers -> hub module", ours(built.directory, task, inputs), expected)
            ways = {"ours": place / "paddle", "hub module": built.archive}
            if tensorflow is not None:
                convert(place / "paddle", target=place / "tf", to=Target.TENSORFLOW)
                call(tensorflow, "in_tensorflow.py", "open", place / "tf", folder / "inputs.npz", place / "tf.npz")
                report.outputs(f"{what}: ours -> TensorFlow", _common(place / "tf.npz", expected), expected)
                call(tensorflow, "in_tensorflow.py", "save", place / "tf", place / "tf-saved")
                ways["TensorFlow"] = place / "tf-saved"
            for name, way in ways.items():
                back = place / f"back-{name}"
                convert(way, target=back, to=Target.HUGGING_FACE)
                call(torch, "in_torch_heads.py", "open", back, folder / "inputs.npz", place / "back.npz")
                report.outputs(
                    f"{what}: {name} -> transformers, Auto class, pipeline", dict(np.load(place / "back.npz")), expected
                )
                report.bits(f"{what}: the same tensors", _bits(back), _bits(source))
            shutil.rmtree(place)


def _common(path: Path, expected: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array for name, array in np.load(path).items() if name in expected}


def _bits(folder: Path) -> dict[str, tuple]:
    return {name: (one.dtype, one.shape, one.read().tobytes()) for name, one in open_model(folder).tensors.items()}
