"""Readers and writers of weights files: safetensors, PyTorch, Paddle .pdparams, TensorFlow checkpoints, Keras .h5.

`opening` finds the weights in a folder and opens them. Each format has its own module; none depends on BERT.
Every reader treats its file as untrusted: it calls no class or function that a file names, and it checks every size
and offset before it allocates memory. This package does not import Paddle, PyTorch or TensorFlow.
"""

from __future__ import annotations

# The file names are here, so that a caller can look for weights without importing the readers.
WEIGHTS_NAME = "model_state.pdparams"
SAFETENSORS_NAME = "model.safetensors"
KERAS_NAME = "tf_model.h5"
INDEX_ENDING = ".index"  # of a TensorFlow checkpoint
SHARD_INDEX_ENDING = ".index.json"
# Order of preference. PaddleNLP may have converted the .pdparams file from one of the others, and incompletely.
PATTERNS = (
    SAFETENSORS_NAME,
    f"{SAFETENSORS_NAME}{SHARD_INDEX_ENDING}",
    "pytorch_model.bin",
    f"pytorch_model.bin{SHARD_INDEX_ENDING}",
    WEIGHTS_NAME,
    f"{WEIGHTS_NAME}{SHARD_INDEX_ENDING}",
    f"*{INDEX_ENDING}",
    KERAS_NAME,
)
INNER_FOLDERS = ("model", "assets")  # with the weights of a run, and of a hub module
