"""Checkpoints of pretraining: they resume exactly, PaddleNLP can open them, and the best one is kept."""

import json
import resource
import signal

import numpy as np
import paddle
import pytest

from paddle_wwm.config import OptimizerConfig
from paddle_wwm.errors import CheckpointError
from paddle_wwm.files import write_json
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model.weights import load_weights
from paddle_wwm.model_config import ModelConfig
from paddle_wwm.pretraining.checkpoint import (
    TrainState,
    best_checkpoint,
    checkpoints_in,
    export_model,
    load_optimizer,
    save_checkpoint,
)
from paddle_wwm.runs.optim import make_optimizer, optimizer_arrays


@pytest.fixture
def model(mini_vocab):
    paddle.seed(0)
    return BertForPretraining(
        ModelConfig(
            vocab_size=len(mini_vocab),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=32,
        )
    )


def state_after(step, phase=0, held_out_loss=None):
    return TrainState(
        global_step=step,
        phase=phase,
        shard_fingerprint="f",
        config_fingerprint="c",
        precision={"loss_scale": 8.0},
        held_out_loss=held_out_loss,
    )


def save(directory, model, vocab, step, keep=3, untrained=(), phase=0, held_out_loss=None):
    optimizer = make_optimizer(model, OptimizerConfig())
    for parameter in model.parameters():
        parameter.grad = paddle.full(parameter.shape, 0.1)
    optimizer.set_lr(0.01)
    optimizer.step()
    optimizer.clear_grad()
    return save_checkpoint(
        directory,
        model=model,
        optimizer_arrays=optimizer_arrays(model, optimizer),
        vocab=vocab,
        do_lower_case=True,
        state=state_after(step, phase, held_out_loss),
        untrained=untrained,
        keep=keep,
    )


def test_the_newest_complete_checkpoint_is_found_with_its_state(tmp_path, model, mini_vocab):
    save(tmp_path, model, mini_vocab, 10)
    newest = save(tmp_path, model, mini_vocab, 20)
    found = checkpoints_in(tmp_path).newest()
    assert (found.path, found.state) == (newest, state_after(20))


@pytest.mark.parametrize("name", ["model_state.pdparams", "optimizer.safetensors", "config.json", "vocab.txt"])
def test_a_damaged_checkpoint_is_skipped_with_a_warning_that_names_the_file(tmp_path, model, mini_vocab, logged, name):
    older = save(tmp_path, model, mini_vocab, 10)
    damaged = save(tmp_path, model, mini_vocab, 20) / name
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert checkpoints_in(tmp_path).newest().path == older
    assert any(str(damaged) in line for line in logged)


def test_a_checkpoint_of_version_0_1_can_be_read(tmp_path, model, mini_vocab):
    """Version 0.1 wrote more fields into the state, and the loss scale and the held-out loss next to it."""
    path = save(tmp_path, model, mini_vocab, 10) / "training_state.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    state = {
        "global_step": 10,
        "num_examples_seen": 80,
        "seed": 1,
        "phase": 0,
        "shard_fingerprint": "f",
        "config_fingerprint": "c",
        "world_size": 2,
    }
    write_json(
        path, {"state": state, "precision": {"loss_scale": 8.0}, "held_out_loss": 2.5, "sha256": record["sha256"]}
    )
    assert checkpoints_in(tmp_path).newest().state == state_after(10, held_out_loss=2.5)
    assert best_checkpoint(tmp_path, phase=0) == (path.parent, 2.5)


def test_only_the_newest_checkpoints_are_kept(tmp_path, model, mini_vocab):
    for step in (10, 20, 30, 40):
        save(tmp_path, model, mini_vocab, step, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000030", "step-00000040"]


def test_the_best_checkpoint_of_the_current_phase_is_also_kept(tmp_path, model, mini_vocab):
    # step 10 belongs to an earlier phase, whose losses cannot be compared
    losses = {10: 1.0, 20: 3.0, 30: 2.0, 40: 2.5, 50: None, 60: 2.2}
    for step, loss in losses.items():
        save(tmp_path, model, mini_vocab, step, keep=2, phase=int(step > 10), held_out_loss=loss)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000030", "step-00000050", "step-00000060"]
    assert best_checkpoint(tmp_path, phase=1) == (tmp_path / "step-00000030", 2.0)
    assert best_checkpoint(tmp_path, phase=0) is None


def test_a_failed_save_keeps_earlier_checkpoints_and_leaves_no_partial_files(tmp_path, model, mini_vocab):
    """A limit on the size of files fails in the same way as a full disk."""
    older = save(tmp_path, model, mini_vocab, 10)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(
            CheckpointError,
            match=r"step-00000020: .*too large.*the newest one is step-00000010.*--resume auto",
        ):
            save(tmp_path, model, mini_vocab, 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == [older] and checkpoints_in(tmp_path).newest().path == older


def test_the_32_bit_copies_are_saved_instead_of_the_16_bit_weights(tmp_path, model, mini_vocab):
    name = "bert.pooler.dense.weight"
    master = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    options = {"vocab": mini_vocab, "do_lower_case": True, "state": state_after(10), "untrained": (), "keep": 1}
    path = save_checkpoint(tmp_path, model=model, optimizer_arrays={f"{name}/master_weight": master}, **options)
    other = BertForPretraining(model.config)
    load_weights(other, path)
    np.testing.assert_array_equal(other.bert.pooler.dense.weight.numpy(), master)


def test_loading_restores_weights_and_optimizer_bit_for_bit(tmp_path, model, mini_vocab):
    path = save(tmp_path, model, mini_vocab, 10)
    expected = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    other = BertForPretraining(model.config)
    optimizer = make_optimizer(other, OptimizerConfig())
    load_weights(other, path)
    load_optimizer(path, model=other, optimizer=optimizer)
    for name, tensor in other.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), expected[name], err_msg=name)


def test_one_error_lists_all_weights_that_are_missing_or_have_another_shape(tmp_path, model, mini_vocab):
    path = save(tmp_path, model, mini_vocab, 10)
    config = ModelConfig(
        vocab_size=len(mini_vocab),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    other = BertForPretraining(config)
    with pytest.raises(CheckpointError) as caught:
        load_weights(other, path)
    assert "missing: bert.encoder.layers.1." in str(caught.value)
    assert "bert.pooler.dense.weight (16, 16) instead of (8, 8)" in str(caught.value)


@pytest.mark.parity
def test_paddlenlp_opens_a_checkpoint_and_computes_the_same_outputs(tmp_path, model, mini_vocab):
    from paddlenlp.transformers import AutoTokenizer
    from paddlenlp.transformers import BertForPretraining as TheirBert

    path = save(tmp_path, model, mini_vocab, 10, untrained=("cls.seq_relationship",))
    theirs = TheirBert.from_pretrained(str(path))
    theirs.eval()
    model.eval()
    ids = paddle.to_tensor(np.random.default_rng(0).integers(5, len(mini_vocab), (3, 12)))
    types = paddle.to_tensor(np.repeat([[0] * 7 + [1] * 5], 3, 0))
    positions = paddle.to_tensor([1, 5, 13, 30])
    scores, relations = model(ids, types, paddle.ones([3, 12], "bool"), positions, True)
    their_scores, their_relations = theirs(input_ids=ids, token_type_ids=types, masked_positions=positions)[:2]
    np.testing.assert_allclose(scores.numpy(), their_scores.numpy(), atol=1e-5)
    np.testing.assert_allclose(relations.numpy(), their_relations.numpy(), atol=1e-5)
    tokens = AutoTokenizer.from_pretrained(str(path))("使用语言模型")["input_ids"]
    assert [mini_vocab.tokens[token] for token in tokens] == ["[CLS]", *"使用语言模型", "[SEP]"]


def test_the_exported_model_has_only_the_model_files(tmp_path, model, mini_vocab):
    exported = export_model(save(tmp_path / "checkpoints", model, mini_vocab, 10), tmp_path / "model")
    assert sorted(path.name for path in exported.iterdir()) == [
        "config.json",
        "model_state.pdparams",
        "tokenizer_config.json",
        "vocab.txt",
    ]
