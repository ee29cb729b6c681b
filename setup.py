"""Installs paddle_wwm. `make setup` calls this with constraints.txt, which pins every package that the bounds below
leave open.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "paddle_wwm" / "version.py").read_text(encoding="utf-8"), re.MULTILINE
).group(1)
README = ROOT / "README.md"

# Most bounds stand here because the newest set that pip accepts (`pip check` finds nothing) does not import.
INSTALL_REQUIRES = [
    # 2.6 exports zlib symbols that break scipy and aiohttp; what is measured here was measured on 3.3
    "paddlepaddle>=3.3.1,<3.4",
    "paddlenlp>=3.0.0b4,<3.1",  # checked with Paddle 3.3; a pre-release is taken only where a bound names one
    "paddlehub>=2.4,<2.5",  # hub modules are written against 2.4's loader
    "lac>=2.1.2,<2.2",  # only its packaged model files are used; other versions may hold another model
    "numpy>=1.26,<=1.26.4",  # paddlenlp 3.0.0b4 is written for numpy 1
    "protobuf>=3.20.2,<4",  # paddlehub's generated code fails on protobuf 4
    "aistudio-sdk<0.3",  # paddlenlp does not import with 0.3
    "pyarrow<26",  # paddlenlp's datasets use it; 26 is built for numpy 2
    "tokenizers>=0.21,<0.22",  # paddlenlp's bound, and the version whose offsets and ids were compared
    "setuptools<82",  # paddle imports it and does not declare it; 82 cannot build lac
    "pip",  # paddlenlp imports it and does not declare it
    "safetensors>=0.6",
    "crc32c>=2.7",  # checksums of TensorFlow's checkpoints, at the speed of the disk
    "PyYAML",
    "tqdm",
    "visualdl>=2.5",
    "matplotlib",
    "scipy",
    "filelock",
    "huggingface-hub>=0.36,<1",  # 1.0 has another HTTP library, and downloads run in a session of ours
    "requests",
    "seqeval>=1.2",  # scores of named entities
    "numba>=0.60",  # compiles segmentation, masking and parts of training on the CPU
]
# What only some corpora need; `make setup` installs all of it.
OPTIONAL_REQUIRES = {
    "dask": ["dask", "distributed"],  # preparing a corpus on many machines
    "rjieba": ["rjieba"],  # the fastest segmenter
    "simplified": [
        "opencc-python-reimplemented"
    ],  # the cleaning rule `simplified`; never together with opencc: they share a folder
}
TEST_REQUIRES = [
    "pytest",
    "pytest-xdist",
    "hypothesis",
    "ruff",
    "mypy",
    *(name for names in OPTIONAL_REQUIRES.values() for name in names),
]

setup(
    name="paddle_wwm",
    version=VERSION,
    description="Pretrain and package whole-word-masked Chinese BERT models on PaddlePaddle.",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    author="paddle_wwm developers",
    keywords="BERT Chinese whole-word-masking PaddlePaddle PaddleHub pretraining",
    project_urls={"The models and their papers": "https://github.com/ymcui/Chinese-BERT-wwm"},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Natural Language :: Chinese (Simplified)",
        "Natural Language :: English",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing :: Linguistic",
        "Typing :: Typed",
    ],
    python_requires=">=3.11,<3.13",  # numpy 1.26.4 has no wheel for 3.13
    packages=find_packages(include=["paddle_wwm", "paddle_wwm.*"]),
    package_data={"paddle_wwm": ["py.typed", "*.pyi", "recipes/*.yaml", "sample_data/*.txt", "sample_data/*.md"]},
    entry_points={"console_scripts": ["paddle-wwm = paddle_wwm.cli.main:main"]},
    install_requires=INSTALL_REQUIRES,
    extras_require={**OPTIONAL_REQUIRES, "test": TEST_REQUIRES, "dev": [*TEST_REQUIRES, "mypy"]},
)
