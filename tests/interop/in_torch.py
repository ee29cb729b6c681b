"""The PyTorch side of `make interop`. It runs in an environment with torch and transformers only.

python in_torch.py open FOLDER INPUTS.npz OUTPUTS.npz    open a folder with transformers, run it and store the outputs
python in_torch.py write FOLDER TARGET                   save the model in every format that users have
python in_torch.py ids FOLDER LINES.json IDS.json        tokenize lines with AutoTokenizer
python in_torch.py save ARRAYS.npz FOLDER                save arrays as zip.bin and older.bin
python in_torch.py judge FOLDER RESULTS.json             read the x.bin of every folder in FOLDER; see digests.py
"""

import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from digests import judge
from transformers import AutoModel, AutoTokenizer, BertForPreTraining, BertModel, BertTokenizer


def checked(model_class, folder):
    """Open a model. Exit with an error if a parameter is missing, unexpected or misshaped."""
    model, info = model_class.from_pretrained(folder, output_loading_info=True)
    heads = {
        name for name in info["unexpected_keys"] if name.startswith("cls.") and model_class is not BertForPreTraining
    }
    faults = {kind: sorted(set(keys) - heads) for kind, keys in info.items() if set(keys) - heads}
    if faults:
        raise SystemExit(f"{folder}: {model_class.__name__} found {faults}")
    return model.float().eval()


def open_folder(folder, inputs, outputs):
    given = {name: torch.from_numpy(array) for name, array in np.load(inputs).items()}
    auto, bert, heads = checked(AutoModel, folder), checked(BertModel, folder), checked(BertForPreTraining, folder)
    with torch.no_grad():
        encoded, predicted = bert(**given), heads(**given)
        assert torch.equal(auto(**given).last_hidden_state, encoded.last_hidden_state)
    assert BertTokenizer.from_pretrained(folder)("t7 T9")["input_ids"] == [2, 12, 14, 3]
    np.savez(
        outputs,
        last_hidden_state=encoded.last_hidden_state,
        pooler_output=encoded.pooler_output,
        prediction_logits=predicted.prediction_logits,
        seq_relationship_logits=predicted.seq_relationship_logits,
    )


def write_forms(folder, target):
    target = pathlib.Path(target)
    model = checked(BertForPreTraining, folder)
    model.save_pretrained(target / "safetensors")
    model.save_pretrained(target / "safetensors-in-parts", max_shard_size="200KB")
    for dtype in ("float16", "bfloat16"):
        checked(BertForPreTraining, folder).to(getattr(torch, dtype)).save_pretrained(target / f"safetensors-{dtype}")
    state = model.state_dict()
    older = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in state.items()
    }
    forms = {
        "bin-zip": (state, {}),
        "bin-older": (older, {"_use_new_zipfile_serialization": False}),
        "bin-wrapped": ({"state_dict": state, "epoch": 3}, {}),
        "bin-dataparallel-twice": ({f"module.module.{name}": value for name, value in state.items()}, {}),
        "bin-lightning": ({"epoch": 1, "state_dict": {f"model.{name}": value for name, value in state.items()}}, {}),
        "bin-float16": ({name: value.half() for name, value in state.items()}, {}),
        "bin-bfloat16": ({name: value.bfloat16() for name, value in state.items()}, {}),
        "bin-parameters": ({name: torch.nn.Parameter(value) for name, value in state.items()}, {}),
    }
    for name, (values, options) in forms.items():
        (target / name).mkdir(parents=True)
        torch.save(values, target / name / "pytorch_model.bin", **options)
        model.config.save_pretrained(target / name)
    bare = BertModel.from_pretrained(folder).state_dict()
    (target / "bin-without-prefix").mkdir()
    torch.save(bare, target / "bin-without-prefix" / "pytorch_model.bin")
    model.config.save_pretrained(target / "bin-without-prefix")


def tokenize(folder, lines, ids):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = json.loads(pathlib.Path(lines).read_text())
    found = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    pathlib.Path(ids).write_text(json.dumps(found))


def save_arrays(arrays, folder):
    values = {name: torch.from_numpy(array) for name, array in np.load(arrays).items()}
    torch.save(values, f"{folder}/zip.bin")
    torch.save(values, f"{folder}/older.bin", _use_new_zipfile_serialization=False)


def read_bin(folder):
    values = torch.load(folder / "x.bin", weights_only=True)
    return {name: value.numpy() for name, value in values.items()}


if __name__ == "__main__":
    commands = {
        "open": open_folder,
        "write": write_forms,
        "ids": tokenize,
        "save": save_arrays,
        "judge": lambda *paths: judge(read_bin, *paths),
    }
    commands[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__}))
