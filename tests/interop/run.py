"""`make interop`: open converted models in PyTorch and TensorFlow, and open their files here, in real environments.

  python tests/interop/run.py --torch .venv-interop/torch/bin/python --tensorflow .venv-interop/tensorflow/bin/python
  python tests/interop/run.py --transformers5 .venv-interop/transformers5/bin/python

With --transformers5, WholeWordMasker is the collator of a torch trainer in an environment that has this package
without its dependencies.

The exit status is 1 if a model cannot be opened, an output differs by more than 1e-5, a bit is lost, or a word is
masked in part.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.quiet import quiet_environment  # noqa: E402

quiet_environment()

from paddle_wwm.conversion.convert import convert  # noqa: E402
from paddle_wwm.conversion.names import Naming, parameters  # noqa: E402
from paddle_wwm.conversion.opening import OpenedModel, open_model  # noqa: E402
from paddle_wwm.conversion.saving import Target  # noqa: E402
from paddle_wwm.conversion.verify import make_inputs, run_model  # noqa: E402
from paddle_wwm.files import write_json  # noqa: E402
from paddle_wwm.model.folder import paddle_config  # noqa: E402
from paddle_wwm.tokenization.vocab import load_vocab  # noqa: E402
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer  # noqa: E402
from paddle_wwm.weights.pdparams import write_pdparams  # noqa: E402
from paddle_wwm.weights.tensors import cast  # noqa: E402
from tests.conversion.texts import lines, vocab_tokens  # noqa: E402
from tests.interop.growth import check_growth  # noqa: E402
from tests.interop.heads import check_heads  # noqa: E402
from tests.interop.outward import check_encoder, check_onnx, check_own_heads  # noqa: E402
from tests.interop.sizes import SMALL  # noqa: E402

TOLERANCE = 1e-5
CONFIG = SMALL


class Report:
    """Prints the result of every check and counts the failures."""

    def __init__(self) -> None:
        self.num_faults = 0

    def outputs(self, what: str, actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
        differences = {name: float(np.abs(actual[name] - expected[name]).max()) for name in expected if name in actual}
        worst = max(differences.values())
        self.line(what, worst <= TOLERANCE, f"{len(differences)} outputs within {worst:.1e}")

    def bits(self, what: str, actual: dict[str, tuple], expected: dict[str, tuple]) -> None:
        same = sum(actual.get(name) == value for name, value in expected.items())
        self.line(what, same == len(expected) == len(actual), f"{same} of {len(expected)} tensors bit-identical")

    def line(self, what: str, is_good: bool, detail: str) -> None:
        self.num_faults += not is_good
        print(f"{'ok  ' if is_good else 'FAIL'} {what:<78} {detail}", flush=True)


def random_folder(folder: Path) -> Path:
    """Write a Paddle folder with a vocabulary and a random model.

    No parameter has its initial value (0, or 1 for LayerNorm weights), so that a lost parameter changes the outputs.
    """
    rng = np.random.default_rng(11)
    arrays = {}
    for item in parameters(Naming.PADDLE, CONFIG):
        center = 1.0 if len(item.shape) == 1 and item.name.endswith("weight") else 0.0
        arrays[item.name] = (center + 0.05 * rng.standard_normal(item.shape)).astype(np.float32)
    folder.mkdir()
    write_pdparams(folder / "model_state.pdparams", arrays)
    write_json(folder / "config.json", paddle_config(CONFIG))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"t{number}" for number in range(CONFIG.vocab_size - 5))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    return folder


def bits_of(model: OpenedModel, *, dtype: str | None = None) -> dict[str, tuple]:
    tensors = {name: cast(tensor, dtype or tensor.dtype, name=name) for name, tensor in model.tensors.items()}
    return {
        name: (tensor.dtype, tensor.shape, np.ascontiguousarray(tensor.read()).tobytes())
        for name, tensor in tensors.items()
    }


def call(python: Path, script: str, *arguments: Path | str) -> dict[str, Any]:
    """Run a script in another Python; return the JSON of its last line."""
    command = [str(python), str(ROOT / "tests" / "interop" / script), *map(str, arguments)]
    # without PYTHONPATH, the script uses the packages of its own environment
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def paddlenlp_outputs(folder: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import paddle
    from paddlenlp.transformers import AutoModel
    from paddlenlp.utils.log import logger

    logger.set_level("ERROR")
    model = AutoModel.from_pretrained(str(folder))
    model.eval()
    ids, types = (paddle.to_tensor(inputs[name]) for name in ("input_ids", "token_type_ids"))
    hidden, pooled = model(ids, types, attention_mask=paddle.to_tensor(inputs["attention_mask"].astype(bool)))
    return {"last_hidden_state": hidden.numpy(), "pooler_output": pooled.numpy()}


def check_side(report: Report, *, work: Path, ours: Path, target: Target, python: Path, script: str) -> None:
    """Convert our model and open it on the other side; then open every file that the other side writes."""
    side = target.value
    inputs = make_inputs(CONFIG)
    original = open_model(ours)
    expected, _ = run_model(original, inputs)
    np.savez(work / "inputs.npz", **inputs)
    convert(ours, target=work / side, to=target)
    versions = call(python, script, "open", work / side, work / "inputs.npz", work / f"{side}.npz")
    program = ", ".join(f"{name} {version}" for name, version in versions.items())
    report.outputs(f"Paddle -> {side}, opened and run by {program}", dict(np.load(work / f"{side}.npz")), expected)
    call(python, script, "write", work / side, work / f"{side}-forms")
    for form in sorted((work / f"{side}-forms").iterdir()):
        back = work / "back" / form.name
        result = convert(form, target=back, to=Target.PADDLE)
        dtype = result.dtypes[0]
        kept = {
            name: value
            for name, value in bits_of(original, dtype=dtype).items()
            if not name.startswith(result.made_anew or ("\0",))
        }
        opened = open_model(back)
        opened = dataclasses.replace(opened, tensors={name: opened.tensors[name] for name in kept})
        report.bits(f"{side} -> Paddle, {form.name} ({dtype})", bits_of(opened), kept)
        if dtype == "float32":
            encoded = {name: expected[name] for name in ("last_hidden_state", "pooler_output")}
            report.outputs(
                "  the same, opened and run by PaddleNLP's AutoModel", paddlenlp_outputs(back, inputs), encoded
            )


def check_tokenizer(report: Report, *, work: Path, ours: Path, python: Path) -> None:
    """Check that transformers' tokenizer of a converted folder gives the ids of ours."""
    texts = lines()
    (work / "lines.json").write_text(json.dumps(texts))
    for do_lower_case in (True, False):
        source, target = (work / f"{name}-{do_lower_case}" for name in ("tokenizer", "tokenizer-hf"))
        shutil.copytree(ours, source)
        (source / "vocab.txt").write_text("\n".join(vocab_tokens(size=CONFIG.vocab_size)) + "\n", encoding="utf-8")
        write_json(source / "tokenizer_config.json", {"do_lower_case": do_lower_case})
        convert(source, target=target, to=Target.HUGGING_FACE)
        call(python, "in_torch.py", "ids", target, work / "lines.json", work / "ids.json")
        theirs = json.loads((work / "ids.json").read_text())
        tokenizer = WordPieceTokenizer(vocab=load_vocab(source / "vocab.txt"), do_lower_case=do_lower_case)
        same = sum(mine == other for (mine, _), other in zip(tokenizer.encode_each(texts), theirs, strict=True))
        what = f"ids of AutoTokenizer and of WordPieceTokenizer, {'uncased' if do_lower_case else 'cased'}"
        report.line(what, same == len(texts), f"{same} of {len(texts)} lines equal")


def check_masker(report: Report, *, work: Path, python: Path) -> None:
    """Check WholeWordMasker in an environment with transformers 5 and without Paddle."""
    folder = work / "transformers5"
    folder.mkdir()
    result = call(python, "in_transformers5.py", folder)
    program = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    for form, line in result["lines"].items():
        report.line(f"WholeWordMasker in a DataLoader with {program}: {form}", True, line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", type=Path, metavar="PYTHON", help="a Python with torch and transformers")
    parser.add_argument("--tensorflow", type=Path, metavar="PYTHON", help="a Python with TensorFlow")
    parser.add_argument(
        "--transformers5",
        type=Path,
        metavar="PYTHON",
        help="a Python with transformers 5 and the wheel of this package, without Paddle",
    )
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_interop_") as folder:
        work = Path(folder)
        ours = random_folder(work / "ours")
        if arguments.torch:
            check_side(
                report, work=work, ours=ours, target=Target.HUGGING_FACE, python=arguments.torch, script="in_torch.py"
            )
            check_tokenizer(report, work=work, ours=ours, python=arguments.torch)
            check_growth(
                report,
                work=work,
                ours=ours,
                size=CONFIG.vocab_size,
                call=call,
                torch=arguments.torch,
                tensorflow=arguments.tensorflow,
            )
            check_onnx(report, work=work, call=call, python=arguments.torch)
            check_own_heads(report, work=work, ours=ours, call=call, python=arguments.torch)
            check_encoder(report, work=work, ours=ours, config=CONFIG, call=call, python=arguments.torch)
            check_heads(report, work=work, call=call, torch=arguments.torch, tensorflow=arguments.tensorflow)
        if arguments.tensorflow:
            check_side(
                report,
                work=work,
                ours=ours,
                target=Target.TENSORFLOW,
                python=arguments.tensorflow,
                script="in_tensorflow.py",
            )
        if arguments.transformers5:
            check_masker(report, work=work, python=arguments.transformers5)
    print("all checks passed" if not report.num_faults else f"{report.num_faults} checks FAILED")
    sys.exit(bool(report.num_faults))


if __name__ == "__main__":
    main()
