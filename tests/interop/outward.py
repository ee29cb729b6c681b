"""The part of `make interop` for exported folders: ONNX of every head, and sentence-transformers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from paddle_wwm.conversion.convert import convert
from paddle_wwm.conversion.heads import HeadKind
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.options import ConversionOptions
from paddle_wwm.conversion.targets import Target
from paddle_wwm.conversion.verify import make_inputs, run_model
from paddle_wwm.model_config import ModelConfig
from tests.conversion.fine_tuned import fine_tuned_here
from tests.interop.heads import Call
from tests.interop.sizes import BASE, SMALL

TEXTS = ["t7 t9", "t3", "t100 t200 t300 t400 t500"]
ONNX_TOLERANCE = 1e-4


def check_onnx(report: Any, *, work: Path, call: Call, python: Path) -> None:
    """Check models that transformers makes, exported as ONNX; and the encoder and the head for words."""
    for title, config in (("small", SMALL), ("12 x 768", BASE)):
        folder = work / f"onnx-{title.replace(' ', '')}"
        folder.mkdir()
        np.savez(folder / "inputs.npz", **make_inputs(config))
        (folder / "sizes.json").write_text(json.dumps(dataclasses.asdict(config)))
        call(python, "in_torch_heads.py", "make", folder, folder / "sizes.json", folder / "inputs.npz")
        for source in sorted(path for path in folder.iterdir() if path.is_dir()):
            expected = dict(np.load(folder / f"{source.name}.npz"))
            program, found = _run(call, python, source=source, folder=folder, task=None)
            if "logits" not in found:
                found = {"logits": np.stack([found["start_logits"], found["end_logits"]], -1)}
            _compare(report, f"{source.name} ({title}) in {program}", found, expected)


def check_own_heads(report: Any, *, work: Path, ours: Path, call: Call, python: Path) -> None:
    """Check heads that only this package has, exported as ONNX, and the code of every card."""
    for kind in HeadKind:
        source = fine_tuned_here(work / f"own-{kind.name.lower()}", kind, base=ours)
        model = open_model(source)
        inputs = make_inputs(model.config)
        expected, _ = run_model(model, inputs)
        if kind is HeadKind.MATCHING:  # `run_model` compares every text with the next one
            others = {f"title_{name}": np.roll(array, -1, axis=0) for name, array in inputs.items()}
            inputs = {**{f"query_{name}": array for name, array in inputs.items()}, **others}
        np.savez(work / "inputs.npz", **inputs)
        program, found = _run(call, python, source=source, folder=work, task=None)
        if "logits" not in found:
            found["logits"] = np.stack([found.pop("start_logits"), found.pop("end_logits")], -1)
        names = [name for name in expected if name.endswith("logits")]
        _compare(report, f"{kind.value}, ours, in {program}", found, {name: expected[name] for name in names})
        versions = call(python, "in_torch_outward.py", "card", work / f"{source.name}-None-onnx")
        report.line(
            f"ONNX: the code of the card of {kind.value}", True, f"runs in onnxruntime {versions['onnxruntime']}"
        )


def check_encoder(report: Any, *, work: Path, ours: Path, config: ModelConfig, call: Call, python: Path) -> None:
    """Check the encoder and the head for words as ONNX, and the encoder in sentence-transformers."""
    inputs = make_inputs(config)
    model = open_model(ours)
    expected, _ = run_model(model, inputs)
    np.savez(work / "inputs.npz", **inputs)
    for task, names in ((None, ("last_hidden_state", "pooler_output")), ("fill-mask", ("prediction_logits",))):
        program, found = _run(call, python, source=ours, folder=work, task=task)
        found = {"prediction_logits": found["logits"]} if task else found
        _compare(report, f"{task or 'encoder'} in {program}", found, {name: expected[name] for name in names})
    (work / "texts.json").write_text(json.dumps(TEXTS))
    for pooling in ("mean", "cls", "max"):
        target = work / f"sentences-{pooling}"
        options = ConversionOptions(pooling=pooling, normalize=pooling == "cls")
        convert(ours, target=target, to=Target.SENTENCE_TRANSFORMERS, options=options)
        versions = call(python, "in_torch_outward.py", "sentences", target, work / "texts.json", work / "vectors.npz")
        expected_vectors = np.stack([_vector(model, text, pooling=pooling) for text in TEXTS])
        program = ", ".join(f"{name} {version}" for name, version in versions.items())
        report.outputs(
            f"{pooling} vectors in {program}", dict(np.load(work / "vectors.npz")), {"vectors": expected_vectors}
        )


def _run(
    call: Call, python: Path, *, source: Path, folder: Path, task: str | None
) -> tuple[str, dict[str, np.ndarray]]:
    target = folder / f"{source.name}-{task}-onnx"
    convert(source, target=target, to=Target.ONNX, task=task)
    versions = call(python, "in_torch_outward.py", "onnx", target, folder / "inputs.npz", folder / "outputs.npz")
    return ", ".join(f"{name} {version}" for name, version in versions.items()), dict(np.load(folder / "outputs.npz"))


def _compare(report: Any, what: str, found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    largest = max(float(np.abs(found[name] - array).max()) for name, array in expected.items())
    report.line(f"ONNX: {what}", largest <= ONNX_TOLERANCE and len(expected) == len(found), f"within {largest:.1e}")


def _vector(model: Any, text: str, *, pooling: str) -> np.ndarray:
    """Return the vector that sentence-transformers computes, from our hidden states."""
    ids = np.array([[model.vocab.cls_id, *(model.vocab.ids[word] for word in text.split()), model.vocab.sep_id]])
    inputs = {"input_ids": ids, "token_type_ids": np.zeros_like(ids), "attention_mask": np.ones_like(ids)}
    hidden = run_model(model, inputs)[0]["last_hidden_state"][0]
    if pooling == "cls":
        return hidden[0] / np.linalg.norm(hidden[0])
    return hidden.mean(0) if pooling == "mean" else hidden.max(0)
