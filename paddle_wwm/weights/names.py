"""The names of files of tensors; light, so that asking what lies in a folder imports no reader."""

from __future__ import annotations

WEIGHTS_NAME = "model_state.pdparams"
SAFETENSORS_NAME = "model.safetensors"
INDEX_ENDING = ".index"  # of a TensorFlow checkpoint
SHARD_INDEX_ENDING = ".index.json"
# In this order: where a folder holds several, PaddleNLP may have made the .pdparams from the others, and not all of it
PATTERNS = (
    SAFETENSORS_NAME,
    f"{SAFETENSORS_NAME}{SHARD_INDEX_ENDING}",
    "pytorch_model.bin",
    f"pytorch_model.bin{SHARD_INDEX_ENDING}",
    WEIGHTS_NAME,
    f"{WEIGHTS_NAME}{SHARD_INDEX_ENDING}",
    f"*{INDEX_ENDING}",
)
