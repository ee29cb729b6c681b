"""WholeWordMasker as the collator of a torch trainer, in an environment with transformers 5 and without Paddle.

python in_transformers5.py FOLDER    train a small random BertForMaskedLM with every kind of features, and check every
                                     mask; the vocabulary is written to FOLDER
"""

import functools
import importlib.util
import json
import pathlib
import sys

import numba
import numpy as np
import torch
import transformers
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

import paddle_wwm
from paddle_wwm import WholeWordMasker, load_segmenter, load_vocab
from paddle_wwm.corpus.segment import segment

SENTENCES = (
    "使用语言模型来预测下一个词的probability。",
    "我们在北京大学学习了三年，毕业以后一起去上海工作。",
    "今天天气很好，适合到公园里走一走。",
    "南京市长江大桥是一座双层桥梁。",
    "她说：“明天上午十点开会，请不要迟到。”",
    "深度学习在自然语言处理中的应用越来越广泛，许多传统的方法已经被预训练语言模型所取代。",
)
LATIN = ("pro", "##ba", "##bility")
NUM_STEPS = 5
ABSENT = ("paddle", "paddlenlp", "paddlehub", "requests", "pyarrow", "visualdl", "scipy")


def make_vocab(folder):
    """Write a vocabulary with every character of the sentences, and return its path."""
    characters = sorted({character for sentence in SENTENCES for character in sentence})
    path = pathlib.Path(folder) / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LATIN, *characters]) + "\n")
    return path


def make_features(tokenizer, segmenter):
    """Return the features of every kind, and the word number of every piece (0 for special tokens)."""
    forms, word_numbers = {"word_starts": [], "chinese_ref": [], "neither": []}, []
    for sentence in segment(segmenter, SENTENCES):
        feature = dict(tokenizer(sentence.text, return_offsets_mapping=True))
        offsets = feature.pop("offset_mapping")
        firsts = {start for start, _ in sentence.word_spans}
        starts = [int(end > start and start in firsts) for start, end in offsets]
        pieces = tokenizer.convert_ids_to_tokens(feature["input_ids"])
        numbers = np.cumsum(starts)
        numbers[[0, -1]] = 0
        word_numbers.append(numbers)
        ref = [
            place for place, piece in enumerate(pieces) if numbers[place] and not starts[place] and piece[:2] != "##"
        ]
        forms["word_starts"].append({**feature, "word_starts": starts})
        forms["chinese_ref"].append({**feature, "chinese_ref": ref})
        forms["neither"].append(feature)
    return forms, word_numbers


def check_masks(batch, features, word_numbers, mask_id):
    """Assert that the labels of a batch cover whole words only. Return the number of words."""
    num_words = 0
    for row, (feature, numbers) in enumerate(zip(features, word_numbers)):
        ids, length = np.array(feature["input_ids"]), len(feature["input_ids"])
        labels, seen = batch["labels"][row].numpy(), batch["input_ids"][row].numpy()
        selected = labels != -100
        assert batch["attention_mask"][row].tolist() == [1] * length + [0] * (len(labels) - length)
        assert not selected[length:].any() and not selected[:length][numbers == 0].any()
        assert (labels[:length][selected[:length]] == ids[selected[:length]]).all()
        assert (seen[:length] == ids)[~selected[:length]].all()
        words = set(numbers[selected[:length]].tolist())
        assert words and all(selected[:length][numbers == word].all() for word in words)
        num_words += len(words)
    assert (batch["input_ids"] == mask_id).any()
    return num_words


def train(tokenizer, masker, features, word_numbers, start_method):
    """Train for NUM_STEPS steps with batches from two worker processes. Return a line for the report."""
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    model = BertForMaskedLM(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    loader = DataLoader(
        features * NUM_STEPS,
        batch_size=len(features),
        num_workers=2,
        multiprocessing_context=start_method,
        collate_fn=functools.partial(masker.collate, return_tensors="pt", pad_to_multiple_of=8),
    )
    losses, draws, num_words = [], set(), 0
    for epoch in range(2):  # only the first epoch trains; the second checks that its new workers draw new masks
        for batch in loader:
            num_words += check_masks(batch, features, word_numbers, tokenizer.mask_token_id)
            draws.add(batch["labels"].numpy().tobytes())
            if epoch == 0:
                loss = model(**batch).loss
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    assert len(losses) == NUM_STEPS and np.isfinite(losses).all() and losses[-1] < losses[0], losses
    assert len(draws) == 2 * NUM_STEPS, f"only {len(draws)} of {2 * NUM_STEPS} batches differ"
    return f"{num_words} whole words masked, loss {losses[0]:.2f} -> {losses[-1]:.2f}, workers by {start_method}"


def main(folder):
    assert paddle_wwm.__file__.startswith(sys.prefix), f"{paddle_wwm.__file__} is not the installed wheel"
    vocab_file = make_vocab(folder)
    tokenizer = BertTokenizer.from_pretrained(folder)
    segmenter = load_segmenter("lac")
    assert "compiled" in segmenter.description, segmenter.description
    forms, word_numbers = make_features(tokenizer, segmenter)

    def make_masker():
        return WholeWordMasker(vocab=load_vocab(vocab_file), segmenter=segmenter, max_seq_length=64, seed=7)

    lines = {}
    for form, features in forms.items():
        for start_method in ("fork", "spawn") if form == "neither" else ("fork",):
            line = train(tokenizer, make_masker(), features, word_numbers, start_method)
            lines[f"{form}, {start_method}"] = line
    collated = [make_masker().collate(features) for features in forms.values()]
    texts = make_masker()(SENTENCES, seed=7)
    for outputs in collated:
        assert all((outputs[name] == collated[0][name]).all() for name in outputs)
        assert (outputs["input_ids"] == texts.input_ids).all()
    present = [name for name in ABSENT if name in sys.modules or (name == "paddle" and importlib.util.find_spec(name))]
    assert not present, f"must not be imported or installed: {present}"
    versions = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": np.__version__,
        "numba": numba.__version__,
    }
    print(json.dumps({"versions": versions, "lines": lines}))


if __name__ == "__main__":
    main(sys.argv[1])
