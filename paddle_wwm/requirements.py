"""The packages that paddle_wwm needs. setup.py installs them, and the doctor checks them.

setup.py runs this file alone, so it imports nothing. Most bounds are needed because the newest versions, which pip
accepts together, fail to import.
"""

# (package, versions that work, why it is needed and why in these versions)
REQUIREMENTS = (
    # all measurements of this project used 3.3
    ("paddlepaddle", ">=3.3.1,<3.4", "models train and run on it; 2.6 breaks scipy and aiohttp"),
    # pip installs a pre-release only if a bound names one
    ("paddlenlp", ">=3.0.0b4,<3.1", "paddlehub imports it, and this release works with Paddle 3.3"),
    ("paddlehub", ">=2.4,<2.5", "hub modules are written for its loader"),
    ("lac", ">=2.1.2,<2.2", "it contains the segmentation model, which other versions may change"),
    ("numpy", ">=1.26,<=1.26.4", "paddlenlp is written for numpy 1"),
    ("protobuf", ">=3.20.2,<4", "paddlehub's generated code fails on protobuf 4"),
    ("aistudio-sdk", "<0.3", "paddlenlp imports it and fails with 0.3"),
    ("pyarrow", "<26", "paddlenlp's datasets import it, and 26 is built for numpy 2"),
    ("tokenizers", ">=0.21,<0.22", "paddlenlp needs this version, and token ids were compared with it"),
    ("setuptools", "<82", "paddle imports it and does not declare it, and 82 cannot build lac"),
    ("pip", "", "paddlenlp imports it and does not declare it"),
    ("safetensors", ">=0.6", "paddle imports it, and it stores weights"),
    ("crc32c", ">=2.7", "it checks the checksums in TensorFlow checkpoints"),
    ("PyYAML", "", "recipes are YAML"),
    ("tqdm", "", "paddlenlp imports it"),
    ("visualdl", ">=2.5", "training logs to it"),
    ("matplotlib", "", "paddlehub imports it"),
    ("scipy", "", "seqeval imports it, and confidence intervals of experiments need it"),
    ("filelock", "", "paddlehub imports it"),
    ("packaging", "", "it compares versions"),
    # downloads run in a session of requests, which 1.0 does not use
    ("huggingface-hub", ">=0.36,<1", "it downloads weights, and 1.0 does not use requests"),
    ("charset-normalizer", ">=3", "it names the likely encoding of text that is not UTF-8"),
    ("requests", "", "huggingface_hub imports it"),
    ("urllib3", ">=2", "it retries downloads"),
    ("seqeval", ">=1.2", "paddlenlp imports it, and it scores named entities"),
    ("onnx", ">=1.12", "it writes ONNX files; paddlenlp needs it, too"),
    ("numba", ">=0.60", "it compiles the loops of segmentation, masking and training"),
)
