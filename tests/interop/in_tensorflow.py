"""The TensorFlow side of `make interop`. It runs in an environment with TensorFlow only.

python in_tensorflow.py open FOLDER INPUTS.npz OUTPUTS.npz    read a checkpoint with the reader and the Saver of
                                                              TensorFlow, and run its BERT
python in_tensorflow.py save FOLDER TARGET                    save its variables with the Saver
python in_tensorflow.py write FOLDER TARGET                   save its variables in every format that TensorFlow has
python in_tensorflow.py judge FOLDER RESULTS.json             read the checkpoint x of every folder in FOLDER; see
                                                              digests.py
"""

import json
import os
import pathlib
import shutil
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from digests import judge

NAME = "bert_model.ckpt"


def variables_of(folder, name=NAME):
    reader = tf.train.load_checkpoint(os.path.join(folder, name))
    return {name: reader.get_tensor(name) for name in sorted(reader.get_variable_to_shape_map())}


def restored_by_saver(folder, names):
    """Return the values that the Saver, which Google's code uses, restores into the variables of a graph."""
    shapes = tf.train.load_checkpoint(os.path.join(folder, NAME)).get_variable_to_shape_map()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = {name: tf.compat.v1.get_variable(name, shapes[name]) for name in names}
        tf.compat.v1.train.Saver(variables).restore(session, os.path.join(folder, NAME))
        return session.run(variables)


def run_bert(values, config, inputs):
    """Run a BERT with TensorFlow operations, following modeling.py of google-research/bert.

    Args:
        inputs: `input_ids`, `token_type_ids` and `attention_mask`, integers of shape (batch_size, seq_len).

    Returns:
        The outputs by name, float32 tensors.
    """

    def norm(x, name):
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, values[f"{name}/beta"], values[f"{name}/gamma"], 1e-12)

    def dense(x, name):
        return tf.einsum("...i,io->...o", x, values[f"{name}/kernel"]) + values[f"{name}/bias"]

    ids, types, mask = (inputs[name] for name in ("input_ids", "token_type_ids", "attention_mask"))
    length, heads = ids.shape[1], config["num_attention_heads"]
    x = (
        tf.gather(values["bert/embeddings/word_embeddings"], ids)
        + values["bert/embeddings/position_embeddings"][:length]
    )
    x = norm(x + tf.gather(values["bert/embeddings/token_type_embeddings"], types), "bert/embeddings/LayerNorm")
    bias = (1.0 - tf.cast(mask[:, None, None, :], tf.float32)) * -1e9
    for layer in range(config["num_hidden_layers"]):
        place = f"bert/encoder/layer_{layer}"
        q, k, v = (
            tf.transpose(tf.reshape(dense(x, f"{place}/attention/self/{name}"), [*ids.shape, heads, -1]), [0, 2, 1, 3])
            for name in ("query", "key", "value")
        )
        weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / np.sqrt(q.shape[-1]) + bias)
        context = tf.reshape(tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3]), [*ids.shape, -1])
        x = norm(x + dense(context, f"{place}/attention/output/dense"), f"{place}/attention/output/LayerNorm")
        inner = tf.nn.gelu(dense(x, f"{place}/intermediate/dense"), approximate=False)
        x = norm(x + dense(inner, f"{place}/output/dense"), f"{place}/output/LayerNorm")
    outputs = {"last_hidden_state": x}
    if "bert/pooler/dense/kernel" in values:  # a head for tokens may come without
        outputs["pooler_output"] = pooled = tf.tanh(dense(x[:, 0], "bert/pooler/dense"))
    for scope in ("", "cls/squad/"):  # the heads of run_classifier.py and run_squad.py
        if f"{scope}output_weights" in values:
            is_of_texts = config["finetuning_task"] in ("seq-cls", "multi-label")
            states = pooled if is_of_texts else x
            logits = tf.matmul(states, values[f"{scope}output_weights"], transpose_b=True)
            return {**outputs, "logits": logits + values[f"{scope}output_bias"]}
    hidden = norm(
        tf.nn.gelu(dense(x, "cls/predictions/transform/dense"), approximate=False),
        "cls/predictions/transform/LayerNorm",
    )
    scores = (
        tf.einsum("bth,vh->btv", hidden, values["bert/embeddings/word_embeddings"])
        + values["cls/predictions/output_bias"]
    )
    relations = (
        tf.matmul(pooled, values["cls/seq_relationship/output_weights"], transpose_b=True)
        + values["cls/seq_relationship/output_bias"]
    )
    return {**outputs, "prediction_logits": scores, "seq_relationship_logits": relations}


def open_folder(folder, inputs, outputs):
    values = variables_of(folder)
    restored = restored_by_saver(folder, values)
    assert all(np.array_equal(values[name], restored[name]) for name in values)
    assert tf.train.latest_checkpoint(folder) == os.path.join(folder, NAME)
    config = json.loads(pathlib.Path(folder, "bert_config.json").read_text())
    np.savez(
        outputs, **{name: value.numpy() for name, value in run_bert(values, config, dict(np.load(inputs))).items()}
    )


def save_with_saver(folder, values, target, *, slots=False):
    target.mkdir(parents=True)
    (target / "bert_config.json").write_bytes(pathlib.Path(folder, "bert_config.json").read_bytes())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = {name: tf.compat.v1.get_variable(name, initializer=value) for name, value in values.items()}
        if slots:
            variables["global_step"] = tf.compat.v1.get_variable("global_step", initializer=np.int64(1_000_000))
            for name, value in values.items():
                for slot in ("adam_m", "adam_v"):
                    variables[f"{name}/{slot}"] = tf.compat.v1.get_variable(
                        f"{name}/{slot}", initializer=np.zeros_like(value)
                    )
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(variables).save(session, str(target / NAME))


def save_variables(folder, target):
    """Save the variables of a folder with the Saver, and copy its other files."""
    save_with_saver(folder, variables_of(folder), pathlib.Path(target))
    for name in ("vocab.txt", "tokenizer_config.json"):
        shutil.copyfile(os.path.join(folder, name), os.path.join(target, name))


def save_in_shards(folder, values, target, *, num_shards):
    """Save shards like a distributed run: each shard on its own, then all merged into one index."""
    target.mkdir(parents=True)
    (target / "bert_config.json").write_bytes(pathlib.Path(folder, "bert_config.json").read_bytes())
    names, parts = sorted(values), []
    for shard in range(num_shards):
        mine = names[shard::num_shards]
        parts.append(str(target / f"part-{shard}"))
        tf.raw_ops.SaveV2(
            prefix=parts[-1],
            tensor_names=mine,
            shape_and_slices=[""] * len(mine),
            tensors=[tf.constant(values[name]) for name in mine],
        )
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=parts, destination_prefix=str(target / NAME), delete_old_dirs=False
    )


def save_partitioned(folder, values, target, *, num_slices):
    """Save the matrices as partitioned variables."""
    target.mkdir(parents=True)
    (target / "bert_config.json").write_bytes(pathlib.Path(folder, "bert_config.json").read_bytes())

    def initializer_of(value):
        def initializer(shape, dtype=None, partition_info=None):
            starts = partition_info.var_offset if partition_info else [0] * value.ndim
            return tf.constant(value[tuple(slice(start, start + int(size)) for start, size in zip(starts, shape))])

        return initializer

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for number, (name, value) in enumerate(values.items()):
            partitioner = tf.compat.v1.fixed_size_partitioner(num_slices, axis=number % 2) if value.ndim == 2 else None
            if min(value.shape) < num_slices:
                partitioner = None
            tf.compat.v1.get_variable(name, value.shape, value.dtype, initializer_of(value), partitioner=partitioner)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(target / NAME))


def write_forms(folder, target):
    values, target = variables_of(folder), pathlib.Path(target)
    save_with_saver(folder, values, target / "saver")
    save_with_saver(folder, values, target / "saver-with-slots", slots=True)
    save_in_shards(folder, values, target / "three-shards", num_shards=3)
    save_partitioned(folder, values, target / "partitioned", num_slices=3)
    for dtype in ("float16", "bfloat16"):
        cast = {name: tf.cast(value, dtype).numpy() for name, value in values.items()}
        save_in_shards(folder, cast, target / f"one-shard-{dtype}", num_shards=1)


def read_x(folder):
    return {name: np.asarray(value) for name, value in variables_of(folder, "x").items()}


if __name__ == "__main__":
    commands = {
        "open": open_folder,
        "write": write_forms,
        "save": save_variables,
        "judge": lambda *paths: judge(read_x, *paths),
    }
    commands[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"tensorflow": tf.__version__}))
