"""Files of tensors, read and written: safetensors, PyTorch, Paddle's .pdparams and TensorFlow's checkpoints.

`opening` finds the files of a folder and opens them; the formats stand next to each other and know nothing of BERT.
Every reader treats its file as untrusted: no class or function that a file names is called, and every size and place
is checked before memory is taken. Neither Paddle nor PyTorch nor TensorFlow is imported.
"""

from __future__ import annotations

# The names of files; light, so that asking what lies in a folder imports no reader.
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
