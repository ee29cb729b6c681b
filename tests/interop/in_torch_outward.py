"""Run exported folders with onnxruntime and sentence-transformers, in an environment without this package.

python in_torch_outward.py onnx FOLDER INPUTS.npz OUTPUTS.npz           run model.onnx with onnxruntime
python in_torch_outward.py card FOLDER                                  run the code of the card
python in_torch_outward.py sentences FOLDER TEXTS.json VECTORS.npz      encode texts with SentenceTransformer
python in_torch_outward.py words FOLDER TEXTS.json IDS.json             ids of AutoTokenizer, with [CLS] and [SEP]
"""

import json
import os
import pathlib
import re
import sys

import numpy as np


def run_onnx(folder, inputs, outputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(pathlib.Path(folder, "model.onnx")), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    np.savez(outputs, **dict(zip(names, session.run(None, dict(np.load(inputs))))))
    return {"onnxruntime": onnxruntime.__version__}


def run_card(folder):
    import onnxruntime

    code = re.search("```python\n(.*)```", pathlib.Path(folder, "README.md").read_text(), re.DOTALL)[1]
    found = {}
    os.chdir(folder)
    exec(code, found)
    assert all(np.isfinite(array).all() for array in found["outputs"])
    return {"onnxruntime": onnxruntime.__version__}


def encode_sentences(folder, texts, vectors):
    import sentence_transformers

    model = sentence_transformers.SentenceTransformer(folder, device="cpu")
    np.savez(vectors, vectors=model.encode(json.loads(pathlib.Path(texts).read_text())))
    return {"sentence-transformers": sentence_transformers.__version__}


def cut_words(folder, texts, ids):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    found = [tokenizer(text)["input_ids"] for text in json.loads(pathlib.Path(texts).read_text())]
    pathlib.Path(ids).write_text(json.dumps(found))
    return {"transformers": transformers.__version__}


if __name__ == "__main__":
    commands = {"onnx": run_onnx, "card": run_card, "sentences": encode_sentences, "words": cut_words}
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
