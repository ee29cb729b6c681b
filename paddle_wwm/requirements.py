"""The packages that paddle_wwm needs: setup.py installs this table, and the doctor checks it.

setup.py runs this file alone, so it imports nothing. Most bounds are here because the newest set that pip accepts
(`pip check` finds nothing) does not import.
"""

# (package, the versions of it that work, why it is needed and why in these versions)
REQUIREMENTS = (
    # measurements of this project were made on 3.3
    ("paddlepaddle", ">=3.3.1,<3.4", "models train and run on it; 2.6 breaks scipy and aiohttp"),
    # a pre-release is installed only if a bound names one
    ("paddlenlp", ">=3.0.0b4,<3.1", "paddlehub imports it, and this release goes with Paddle 3.3"),
    ("paddlehub", ">=2.4,<2.5", "hub modules are written for its loader"),
    ("lac", ">=2.1.2,<2.2", "it brings the segmentation model, which other versions may change"),
    ("numpy", ">=1.26,<=1.26.4", "paddlenlp is written for numpy 1"),
    ("protobuf", ">=3.20.2,<4", "paddlehub's generated code fails on protobuf 4"),
    ("aistudio-sdk", "<0.3", "paddlenlp imports it and fails with 0.3"),
    ("pyarrow", "<26", "paddlenlp's datasets import it, and 26 is built for numpy 2"),
    ("tokenizers", ">=0.21,<0.22", "paddlenlp needs this version, and ids were compared with it"),
    ("setuptools", "<82", "paddle imports it and does not declare it, and 82 cannot build lac"),
    ("pip", "", "paddlenlp imports it and does not declare it"),
    ("safetensors", ">=0.6", "paddle imports it, and weights are stored with it"),
    ("crc32c", ">=2.7", "TensorFlow's checkpoints carry its checksums"),
    ("PyYAML", "", "recipes are YAML"),
    ("tqdm", "", "paddlenlp imports it"),
    ("visualdl", ">=2.5", "training logs to it"),
    ("matplotlib", "", "paddlehub imports it"),
    ("scipy", "", "seqeval imports it, and intervals of experiments need it"),
    ("filelock", "", "paddlehub imports it"),
    ("packaging", "", "versions are compared with it"),
    # downloads run in a session of requests, which 1.0 does not use
    ("huggingface-hub", ">=0.36,<1", "it fetches weights, and 1.0 works in another way"),
    ("requests", "", "huggingface_hub imports it"),
    ("urllib3", ">=2", "downloads are retried by it"),
    ("seqeval", ">=1.2", "paddlenlp imports it, and named entities are scored with it"),
    ("numba", ">=0.60", "it compiles segmentation, masking and training's loops"),
)
