"""Fine-tuned heads on the PyTorch side of `make interop`, in an environment with torch and transformers only.

python in_torch_heads.py make FOLDER SIZES.json INPUTS.npz    save a random model of every head in FOLDER/TASK, as
                                                              transformers saves it, and its outputs in FOLDER/TASK.npz
python in_torch_heads.py open FOLDER INPUTS.npz OUTPUTS.npz   open a folder with the Auto class and the pipeline of its
                                                              head, run it and store the outputs
"""

import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from transformers import AutoConfig, BertConfig, BertTokenizerFast, pipeline

MULTI_LABEL = "multi_label_classification"
LABELS = {
    "seq-cls": ["差评", "好评", "中评"],
    "multi-label": ["快", "好", "省"],
    "token-cls": ["O", "B-PER", "I-PER", "B-LOC"],
    "question-answering": None,
}
CLASSES = {
    "seq-cls": "SequenceClassification",
    "multi-label": "SequenceClassification",
    "token-cls": "TokenClassification",
    "question-answering": "QuestionAnswering",
}
PIPELINES = {
    "seq-cls": "text-classification",
    "multi-label": "text-classification",
    "token-cls": "token-classification",
}  # transformers 5 has none for answers


def run(model, inputs):
    with torch.no_grad():
        out = model(**{name: torch.from_numpy(array) for name, array in np.load(inputs).items()})
    return (torch.stack([out.start_logits, out.end_logits], -1) if "start_logits" in out else out.logits).numpy()


def make(folder, sizes, inputs):
    folder, sizes = pathlib.Path(folder), json.loads(pathlib.Path(sizes).read_text())
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *(f"t{number}" for number in range(sizes["vocab_size"] - 5)),
    ]
    for task, ending in CLASSES.items():
        torch.manual_seed(3)
        options = (
            {"id2label": dict(enumerate(LABELS[task])), "label2id": {b: a for a, b in enumerate(LABELS[task])}}
            if LABELS[task]
            else {}
        )
        if task == "multi-label":
            options["problem_type"] = MULTI_LABEL
        model = getattr(transformers, f"BertFor{ending}")(BertConfig(**sizes, **options, classifier_dropout=0.2)).eval()
        for name, parameter in model.named_parameters():  # no initial values, so that a lost parameter shows
            torch.nn.init.normal_(
                parameter, mean=float("LayerNorm.weight" in name), std=0.03 if parameter.dim() > 1 else 0.1
            )
        model.save_pretrained(folder / task)
        (folder / task / "vocab.txt").write_text("\n".join(tokens) + "\n")
        BertTokenizerFast(str(folder / task / "vocab.txt")).save_pretrained(folder / task)
        np.savez(folder / f"{task}.npz", logits=run(model, inputs))


def open_folder(folder, inputs, outputs):
    config = AutoConfig.from_pretrained(folder)
    ending = config.architectures[0].removeprefix("BertFor")
    model, info = getattr(transformers, f"AutoModelFor{ending}").from_pretrained(folder, output_loading_info=True)
    faults = {kind: sorted(keys) for kind, keys in info.items() if keys}
    assert not faults, f"{folder}: {faults}"
    is_multi_label = config.problem_type == MULTI_LABEL
    [task] = [one for one, name in CLASSES.items() if name == ending and (one == "multi-label") == is_multi_label]
    labels = LABELS[task]
    assert labels is None or [model.config.id2label[number] for number in range(len(labels))] == labels
    if task in PIPELINES:
        options = {"ignore_labels": []} if task == "token-cls" else {}
        found = pipeline(PIPELINES[task], model=str(folder))("t7 t9", **options)
        assert found and all(one.get("label", one.get("entity")) in labels for one in found), found
    np.savez(outputs, logits=run(model.float().eval(), inputs))


if __name__ == "__main__":
    {"make": make, "open": open_folder}[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__}))
