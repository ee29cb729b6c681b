"""Install paddle_wwm.

paddle_wwm/requirements.py has the version bounds of all packages. `make setup` also uses constraints.txt, which pins
exact versions.
"""

import re
import runpy
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "paddle_wwm" / "version.py").read_text(encoding="utf-8"), re.MULTILINE
).group(1)
README = ROOT / "README.md"

REQUIREMENTS = runpy.run_path(str(ROOT / "paddle_wwm" / "requirements.py"))["REQUIREMENTS"]
# packages that only some corpora need; `make setup` installs all of them
OPTIONAL_REQUIRES = {
    "dask": ["dask", "distributed"],  # preparing a corpus on many machines
    "wiki": ["mwparserfromhell>=0.7,<0.8"],  # dumps of Wikipedia and other MediaWikis
    "rjieba": ["rjieba"],  # the fastest segmenter
    "simplified": [
        "opencc-python-reimplemented"
    ],  # the cleaning rule `simplified`; conflicts with opencc: both use the same folder
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
    package_data={
        "paddle_wwm": ["py.typed", "*.pyi", "hub/LICENSE", "recipes/*.yaml", "sample_data/*.txt", "sample_data/*.md"]
    },
    entry_points={"console_scripts": ["paddle-wwm = paddle_wwm.cli.main:main"]},
    install_requires=[package + bounds for package, bounds, _ in REQUIREMENTS],
    extras_require={**OPTIONAL_REQUIRES, "keras": ["h5py"], "test": TEST_REQUIRES, "dev": [*TEST_REQUIRES, "mypy"]},
)
