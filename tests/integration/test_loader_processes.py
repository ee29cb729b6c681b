"""The global batch of a step has the same bytes for any number of real processes and after any stop."""

import hashlib
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from paddle_wwm.config import DataConfig
from paddle_wwm.pretraining_data.examples import build_index

from .scripts import ROOT

pytestmark = pytest.mark.integration
STEPS, GLOBAL_BATCH, MICRO_BATCH = range(3, 9), 32, 2

RANK = """\
import dataclasses, hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from paddle_wwm.pretraining_data.collate import PretrainData
from paddle_wwm.pretraining_data.mixture import Mixture
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.masking_config import MaskingConfig
root, shards, index, rank, ranks, compiled, first, stop = sys.argv[1:]
shards = ShardSet(shards)
data = PretrainData(shards=shards, vocab=shards.vocab(), index_path=index, masking=MaskingConfig(), seed=5, compiled=compiled == "True")
for step in range(int(first), int(stop)):
    digests = []
    for batch in Mixture(sources=(data,)).micro_batches(
        first_example=step * 32, global_batch_size=32, micro_batch_size=2, rank=int(rank), num_ranks=int(ranks)
    ):
        values = [getattr(batch, item.name) for item in dataclasses.fields(batch)]
        digests.append(hashlib.sha256(b"".join(value.tobytes() for value in values if value is not None)).hexdigest())
    print(json.dumps(digests), flush=True)
"""  # noqa: E501


@pytest.fixture(scope="module")
def index(prepared_sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "index.npy"
    documents = np.arange(prepared_sample.num_documents)
    np.save(
        path,
        build_index(
            prepared_sample, documents=documents, data=DataConfig(), max_seq_length=64, seed=1, report=Counter()
        ),
    )
    return path


def digests_of(shards, index, *, num_ranks, compiled=True, first=STEPS.start):
    """Return the digests of all micro-batches by step, in the order of the global batch.

    `num_ranks` parallel processes make them.
    """
    arguments = [str(ROOT), str(shards.directory), str(index)]
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                RANK,
                *arguments,
                str(rank),
                str(num_ranks),
                str(compiled),
                str(first),
                str(STEPS.stop),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(num_ranks)
    ]
    by_rank = [[json.loads(line) for line in process.communicate(timeout=120)[0].splitlines()] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    count = GLOBAL_BATCH // MICRO_BATCH
    return [
        [by_rank[number % num_ranks][step][number // num_ranks] for number in range(count)]
        for step in range(len(by_rank[0]))
    ]


def test_one_two_and_eight_processes_make_the_same_batches(prepared_sample, index):
    alone = digests_of(prepared_sample, index, num_ranks=1)
    assert len(alone) == len(STEPS) and len(set(sum(alone, []))) == len(STEPS) * GLOBAL_BATCH // MICRO_BATCH
    assert digests_of(prepared_sample, index, num_ranks=2) == alone
    assert digests_of(prepared_sample, index, num_ranks=8) == alone
    assert digests_of(prepared_sample, index, num_ranks=1, compiled=False) == alone


def test_a_stop_at_any_step_does_not_change_later_batches(prepared_sample, index):
    alone = digests_of(prepared_sample, index, num_ranks=1)
    for first in (STEPS.start + 1, STEPS.stop - 1):
        assert digests_of(prepared_sample, index, num_ranks=2, first=first) == alone[first - STEPS.start :]


def test_loader_processes_do_not_change_the_batches(prepared_sample, index):
    import paddle

    from paddle_wwm.masking_config import MaskingConfig
    from paddle_wwm.pretraining.loader import step_batches
    from paddle_wwm.pretraining_data.collate import PretrainData
    from paddle_wwm.pretraining_data.mixture import Mixture
    from paddle_wwm.runs.fleet import World

    paddle.set_device("cpu")
    data = PretrainData(
        shards=prepared_sample, vocab=prepared_sample.vocab(), index_path=index, masking=MaskingConfig(), seed=5
    )

    def digests(num_processes):
        batches = step_batches(
            Mixture(sources=(data,)),
            first_step=STEPS.start,
            stop=STEPS.stop,
            global_batch_size=GLOBAL_BATCH,
            micro_batch_size=MICRO_BATCH,
            world=World(rank=1, size=2),
            num_processes=num_processes,
        )
        return [
            [
                hashlib.sha256(b"".join(np.asarray(batch[name]).tobytes() for name in sorted(batch))).hexdigest()
                for batch in step
            ]
            for step in batches
        ]

    in_process = digests(0)
    assert len(in_process) == len(STEPS) and digests(1) == in_process and digests(3) == in_process
