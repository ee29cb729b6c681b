"""Every engine does all tasks, yields results as they are ready, and passes errors to the caller."""

from __future__ import annotations

import logging

import pytest

from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.shards.preparation.engines import EngineConfig, open_engine
from paddle_wwm.shards.preparation.process_engine import ProcessEngine, advance
from paddle_wwm.shards.preparation.work_plan import Plan, PrepareConfig


def write_and_square(plan, number):
    (plan.folder / str(number)).write_text("done")
    return number * number


def fail_on_three(plan, number):
    if number == 3:
        raise DataError(f"{plan.folder}: three")
    return number


def fill_the_disk(plan, number):
    raise OSError(28, "No space left on device", str(plan.folder / str(number)))


@pytest.fixture
def plan(tmp_path):
    return Plan(folder=tmp_path, config=PrepareConfig(), fingerprint="", unit_chars=1)


@pytest.fixture(params=["one process", "two processes", "dask"])
def engine(request):
    config = {
        "one process": EngineConfig(num_workers=1),
        "two processes": EngineConfig(num_workers=2),
        "dask": EngineConfig(name="dask", num_workers=2),
    }[request.param]
    with open_engine(config) as opened:
        yield opened


def results(engine, task, plan, items):
    """Return the sorted results, without the None values for progress bars."""
    return sorted(result for result in engine.run(task, plan, items) if result is not None)


def test_every_engine_does_all_tasks_and_passes_on_errors(engine, plan, tmp_path):
    assert results(engine, write_and_square, plan, range(9)) == [number * number for number in range(9)]
    assert {path.name for path in tmp_path.iterdir()} == {str(number) for number in range(9)}
    assert results(engine, write_and_square, plan, []) == []
    assert results(engine, write_and_square, plan, [5]) == [25]
    with pytest.raises(DataError, match="three"):
        results(engine, fail_on_three, plan, range(6))
    with pytest.raises(OSError, match="No space left on device"):
        results(engine, fill_the_disk, plan, range(3))
    assert results(engine, write_and_square, plan, [2, 3]) == [4, 9], "an error must not end the engine"


def test_every_engine_has_a_description(engine):
    assert engine.description in ("1 process", "2 processes", "Dask, 2 workers at this machine")


def test_errors_for_an_unknown_engine_and_a_silent_scheduler_have_a_remedy_and_the_log_stays_as_it_was():
    with (
        pytest.raises(ConfigError, match="`engine` must be processes or dask, but is 'spark'"),
        open_engine(EngineConfig(name="spark")),
    ):
        pass
    dask = pytest.importorskip("dask", reason="Dask is optional: pip install 'paddle_wwm[dask]'")
    log = logging.getLogger(pytest.importorskip("distributed.client").__name__)
    level = log.level
    unused = EngineConfig(name="dask", scheduler="tcp://127.0.0.1:9")
    error = pytest.raises(ConfigError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 .*dask scheduler")
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}), error, open_engine(unused):
        pass
    assert log.level == level


def advance_twice(plan, number):
    advance(number)
    advance(1)
    return number


@pytest.mark.parametrize("num_workers", [1, 2])
def test_progress_inside_items_reaches_the_caller(num_workers):
    seen = []
    engine = ProcessEngine(num_workers=num_workers)
    found = engine.run(advance_twice, None, [10, 20, 30], on_progress=seen.append)
    assert sorted(result for result in found if result is not None) == [10, 20, 30]
    assert sum(seen) == 63
    assert results(engine, advance_twice, None, [10, 20]) == [10, 20], "without a listener, nothing happens"
