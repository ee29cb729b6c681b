"""Test the corpora of a job: text is found once, a vocabulary is built from it, and it is prepared."""

from __future__ import annotations

import pytest

from paddle_wwm.corpus import source_files
from paddle_wwm.pretraining.corpora import open_corpora
from paddle_wwm.pretraining.job_options import Job
from paddle_wwm.pretraining.set_up import describe
from paddle_wwm.recipe_file import load_config


@pytest.fixture
def job(tmp_path, sample_corpus):
    """A job on a text file and a file of general text, without a vocabulary."""
    documents = sample_corpus.read_text(encoding="utf-8").split("\n\n")
    for name, part in (("main.txt", documents[:20]), ("general.txt", documents[20:30])):
        (tmp_path / name).write_text("\n\n".join(part) + "\n", encoding="utf-8")
    return Job(
        config=load_config("quickstart", overrides=["data.segmenter=none", "data.general_share=0.2"]),
        corpus=(tmp_path / "main.txt",),
        general=(tmp_path / "general.txt",),
        vocab=None,
        init_name=None,
        init_layers=None,
        built_vocab_size=2000,
        output=tmp_path / "run",
        prepared=tmp_path / "prepared",
        resume=False,
        overwrite=False,
        num_workers=1,
        dry_run=False,
        accept_changes=False,
    )


@pytest.mark.parametrize("work", [lambda job: open_corpora(job, progress=None), describe], ids=["prepare", "describe"])
def test_every_file_of_text_is_looked_at_once(job, monkeypatch, work):
    looked_at = []
    content_of = source_files.content_of

    def noted(path, **options):
        looked_at.append(path.name)
        return content_of(path, **options)

    monkeypatch.setattr(source_files, "content_of", noted)
    work(job)
    assert looked_at == ["main.txt", "general.txt"]


def test_general_text_has_the_vocabulary_that_was_built_from_the_corpus(job):
    corpora = open_corpora(job, progress=None)
    main, general = corpora.shards
    assert (corpora.num_main, corpora.num_general) == (1, 1)
    assert main.manifest.vocab_sha256 == general.manifest.vocab_sha256
    assert [shards.manifest.sources[0].name for shards in corpora.shards] == ["main.txt", "general.txt"]
