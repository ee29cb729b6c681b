"""The vocabulary of a source in the forms in which users have it: each row of the embeddings gets its token."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tokenizers import BertWordPieceTokenizer

from paddle_wwm.conversion.opening import open_model
from paddle_wwm.errors import CheckpointError, DataError
from paddle_wwm.tokenization.vocab import load_vocab

from .sources import converted, hf_arrays, hf_folder

TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(chr(0x4E00 + number) for number in range(995)))
WORDS, BIAS = "bert.embeddings.word_embeddings.weight", "cls.predictions.bias"


def model_with_rows(folder, num_rows, *, vocab=TOKENS, end="\n"):
    """Write a Hugging Face folder with this number of word embeddings."""
    arrays = hf_arrays()
    rng = np.random.default_rng(1)
    new = rng.standard_normal((max(0, num_rows - 1000), 64)).astype(np.float32)
    arrays[WORDS] = np.concatenate([arrays[WORDS][:num_rows], new])
    arrays[BIAS] = np.concatenate([arrays[BIAS][:num_rows], new[:, 0]])
    hf_folder(folder, arrays, config={"vocab_size": num_rows})
    if vocab is not None:
        (folder / "vocab.txt").write_text(end.join(vocab) + end)
    return folder


def tokenizer_json(folder, *, tokens=TOKENS, added=(), lowercase=True):
    tokenizer = BertWordPieceTokenizer({token: index for index, token in enumerate(tokens)}, lowercase=lowercase)
    tokenizer.add_special_tokens(list(TOKENS[:5]))
    tokenizer.add_tokens(list(added))
    tokenizer.save(str(folder / "tokenizer.json"))


def written(source, target):
    """Convert a folder; return the tokens of its vocab.txt, its added tokens and the notes."""
    notes = converted(source, target).notes
    tokens = load_vocab(target / "vocab.txt").tokens
    added = json.loads((target / "tokenizer_config.json").read_text()).get("additional_special_tokens", ())
    return tokens, {token: tokens.index(token) for token in added}, notes


ADDED = {"[E1]": 1000, "[E2]": 1001}


def in_added_tokens(folder):
    (folder / "added_tokens.json").write_text(json.dumps(dict(reversed(ADDED.items()))))


def in_tokenizer_config(folder):
    decoder = {str(index): {"content": token} for token, index in {"[PAD]": 0, **ADDED}.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": decoder}))


def in_tokenizer_json(folder):
    tokenizer_json(folder, added=tuple(ADDED))


@pytest.mark.parametrize("state", [in_added_tokens, in_tokenizer_config, in_tokenizer_json])
def test_added_tokens_are_appended_at_their_ids(tmp_path, state):
    source = model_with_rows(tmp_path / "source", 1002)
    state(source)
    tokens, added, notes = written(source, tmp_path / "out")
    assert (tokens, added) == ((*TOKENS, "[E1]", "[E2]"), ADDED)
    assert "appended to the vocabulary: [E1], [E2]" in notes[0]
    assert written(tmp_path / "out", tmp_path / "again")[:2] == (tokens, added)


def test_the_tokenizer_of_paddlenlp_finds_added_tokens_in_text(tmp_path):
    from paddlenlp.transformers import BertTokenizer

    source = model_with_rows(tmp_path / "source", 1002)
    in_added_tokens(source)
    converted(source, tmp_path / "out")
    tokenizer = BertTokenizer.from_pretrained(str(tmp_path / "out"))
    ids = tokenizer("一[E2]丁")["input_ids"]
    assert ids == [2, TOKENS.index("一"), 1001, TOKENS.index("丁"), 3] and len(tokenizer) == 1002


@pytest.mark.parametrize("state", [in_added_tokens, in_tokenizer_config, in_tokenizer_json])
def test_added_tokens_keep_their_ids_and_flags_in_a_hugging_face_target(tmp_path, state):
    source = model_with_rows(tmp_path / "source", 1002)
    state(source)
    flags = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": True, "special": False}
    expected = {str(index): {"content": token, **flags} for token, index in ADDED.items()}
    for start, end in (("source", "there"), ("there", "again")):
        converted(tmp_path / start, tmp_path / end, to="huggingface")
        values = json.loads((tmp_path / end / "tokenizer_config.json").read_text())
        assert values["added_tokens_decoder"] == expected and "additional_special_tokens" not in values


def test_embeddings_that_were_padded_get_names_and_a_note(tmp_path):
    source = model_with_rows(tmp_path / "source", 1024)
    in_added_tokens(source)
    tokens, added, notes = written(source, tmp_path / "out")
    names = tuple(f"[unused{number}]" for number in range(1, 23))
    assert (tokens, added) == ((*TOKENS, "[E1]", "[E2]", *names), ADDED)
    assert "22 rows more than the vocabulary of 1,002 entries" in notes[1] and "[unused1] to [unused22]" in notes[1]


def test_names_of_padding_rows_continue_those_of_the_vocabulary(tmp_path):
    vocab = (*TOKENS[:-1], "[unused99]")
    tokens, _, _ = written(model_with_rows(tmp_path / "source", 1008, vocab=vocab), tmp_path / "out")
    assert tokens[1000:] == tuple(f"[unused{number}]" for number in range(100, 108))


def test_ids_between_the_vocabulary_and_an_added_token_get_names(tmp_path):
    source = model_with_rows(tmp_path / "source", 1003)
    (source / "added_tokens.json").write_text('{"[E]": 1002}')
    tokens, _, notes = written(source, tmp_path / "out")
    assert tokens[1000:] == ("[unused1]", "[unused2]", "[E]") and "2 ids before them have no token" in notes[0]


@pytest.mark.parametrize(
    ("num_rows", "added", "message"),
    [
        (1100, {}, "has 1,000 entries, but the word embeddings have 1,100"),
        (990, {}, "has 1,000 entries, but the word embeddings have 990"),
        (1002, {"[E]": 999}, r"'\[E\]' has the id 999, which is that of '凢'"),
        (1002, {"一": 1001}, "'一' has the id 1,001, not the 5 in the vocabulary"),
        (1002, {"[E]": 1002}, "the word embeddings have only 1,002 rows"),
        (1002, {"[E]": "x"}, "with an id of at least 0"),
        (1002, {"a\nb": 1001}, "a text of one line"),
    ],
)
def test_a_vocabulary_that_does_not_fit_the_embeddings_is_refused(tmp_path, num_rows, added, message):
    source = model_with_rows(tmp_path / "source", num_rows)
    (source / "added_tokens.json").write_text(json.dumps(added))
    with pytest.raises(CheckpointError, match=message):
        open_model(source)


def test_a_vocabulary_of_the_series_that_lost_lines_does_not_pass_as_padding(tmp_path):
    source = model_with_rows(tmp_path / "source", 21128, vocab=(*TOKENS, *(f"t{number}" for number in range(20124))))
    with pytest.raises(CheckpointError, match="has 21,124 entries, but the word embeddings have 21,128"):
        open_model(source)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_blank_lines_at_the_end_do_not_matter(tmp_path, end):
    source = model_with_rows(tmp_path / "source", 1000, vocab=("\ufeff[PAD]", *TOKENS[1:], "", ""), end=end)
    assert written(source, tmp_path / "out") == (TOKENS, {}, ())
    assert (tmp_path / "out" / "vocab.txt").read_text() == "\n".join(TOKENS) + "\n"


def test_a_blank_line_inside_is_refused(tmp_path):
    source = model_with_rows(tmp_path / "source", 1000, vocab=(*TOKENS[:9], "", *TOKENS[9:]))
    with pytest.raises(DataError, match="line 10: empty"):
        open_model(source)


@pytest.mark.parametrize("lowercase", [True, False])
def test_tokenizer_json_alone_gives_the_vocabulary_and_the_casing(tmp_path, lowercase):
    source = model_with_rows(tmp_path / "source", 1002, vocab=None)
    tokenizer_json(source, added=("[E1]", "[E2]"), lowercase=lowercase)
    assert written(source, tmp_path / "out")[:2] == ((*TOKENS, "[E1]", "[E2]"), ADDED)
    assert open_model(tmp_path / "out").do_lower_case is lowercase


def test_a_vocabulary_that_differs_from_tokenizer_json_is_refused_unless_it_is_given(tmp_path):
    source = model_with_rows(tmp_path / "source", 1000)
    tokenizer_json(source, tokens=(*TOKENS[:500], *reversed(TOKENS[500:])))
    with pytest.raises(CheckpointError, match="the token 500 is .* in tokenizer.json; pass the right .* --vocab"):
        open_model(source)
    assert open_model(source, vocab=source / "vocab.txt").vocab.tokens == TOKENS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"type": "BPE", "vocab": {"a": 0}}}, "must be WordPiece, .* but is 'BPE'"),
        ({"model": {"type": "WordPiece", "vocab": {"a": 0, "b": 2}}}, "must give the ids 0, 1, 2"),
        ({"model": {"type": "WordPiece", "vocab": {"a": 0}}, "added_tokens": 3}, "must be a list of objects"),
        ([], "must hold a JSON object"),
    ],
)
def test_a_bad_tokenizer_json_is_refused(tmp_path, values, message):
    source = model_with_rows(tmp_path / "source", 1000, vocab=None)
    (source / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=message):
        open_model(source)
