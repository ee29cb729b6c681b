"""Files of the package that commands use."""

from pathlib import Path

SAMPLE_CORPUS = Path(__file__).resolve().parents[1] / "sample_data" / "sample_corpus.txt"
