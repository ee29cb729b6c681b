"""Threads: any number of them use modules, and a training loop next to them is not disturbed.

PADDLE_WWM_SOAK_SECONDS sets the length of the last test; `make soak` runs it for ten minutes.
"""

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle.base import core

from paddle_wwm.compute.choice import exact, uses_kernels
from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule, inference, tracing
from paddle_wwm.tasks.programs import evaluating

TEXTS = ["使用语言模型", "来预测", "下一个词的probability。", "使用", "北京大学学习"] * 8
TASKS = [None, "seq-cls", "fill-mask"]
SOAK_SECONDS = float(os.environ.get("PADDLE_WWM_SOAK_SECONDS", "6"))
pytestmark = pytest.mark.filterwarnings("ignore:the classifier of")


@pytest.fixture(autouse=True)
def export_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # no test gets a program that another one has traced
    tracing._trace.cache_clear()
    monkeypatch.setattr(inference, "MIN_CALL_TOKENS", 100)
    monkeypatch.setattr(inference, "EXPORT_AFTER_TOKENS", 1)


def run_together(*functions):
    """Run functions in threads that start at the same moment; raise the first error."""
    barrier, errors = threading.Barrier(len(functions)), []

    def run(function):
        try:
            barrier.wait()
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def trained_bytes(num_steps):
    """Return a checksum of the weights after a training loop in plain Paddle."""
    rng = np.random.default_rng(0)
    network = paddle.nn.Sequential(paddle.nn.Linear(64, 32), paddle.nn.Tanh(), paddle.nn.Linear(32, 4))
    for parameter in network.parameters():
        parameter.set_value(rng.standard_normal(parameter.shape).astype(np.float32))
    optimizer = paddle.optimizer.AdamW(1e-3, parameters=network.parameters())
    for _ in range(num_steps):
        inputs = paddle.to_tensor(rng.standard_normal((16, 8, 8)).astype(np.float32)).transpose([0, 2, 1])
        labels = paddle.to_tensor(rng.integers(0, 4, (16,)))
        paddle.nn.functional.cross_entropy(network(inputs.reshape([16, 64])), labels).backward()
        optimizer.step()
        optimizer.clear_grad()
    return hashlib.sha256(b"".join(parameter.numpy().tobytes() for parameter in network.parameters())).hexdigest()


def test_first_large_calls_of_two_modules_in_eight_threads_next_to_a_training_loop(weights, tmp_path, monkeypatch):
    alone, num_rounds = trained_bytes(400), 2
    trained = []
    for number in range(num_rounds):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-{number}"))
        tracing._trace.cache_clear()
        encoder, classifier = BertHubModule(weights=str(weights)), BertHubModule(task="seq-cls", weights=str(weights))
        vectors = np.stack([encoder.get_embedding([text])[0] for text in TEXTS])
        probabilities = [classifier.predict([text], return_prob=True)[1][0] for text in TEXTS]

        def embed(module=encoder, expected=vectors):
            np.testing.assert_allclose(module.get_embedding(TEXTS), expected, atol=1e-5)

        def classify(module=classifier, expected=probabilities):
            np.testing.assert_allclose(module.predict(TEXTS, return_prob=True)[1], expected, atol=1e-5)

        run_together(*[embed, classify] * 4, lambda: trained.append(trained_bytes(400)))
    assert trained == [alone] * num_rounds


def test_no_setting_of_the_process_changes(weights, tmp_path, monkeypatch):
    def settings():
        flags = core.globals()
        return {name: flags[name] for name in list(flags.keys())}, paddle.get_device(), paddle.in_dynamic_mode()

    def refuse(*arguments, **options):
        raise AssertionError("this would change a setting of the process")

    for name in ("set_flags", "enable_static", "disable_static", "set_device"):
        monkeypatch.setattr(paddle, name, refuse)
    for name in ("to_static", "save"):
        monkeypatch.setattr(paddle.jit, name, refuse)
    before = settings()
    module = BertHubModule(task="seq-cls", weights=str(weights))
    module.predict(TEXTS)
    module.predict(TEXTS[:1])
    module.get_embedding(TEXTS, pooling="mean")
    module.save_inference_model(str(tmp_path))
    assert settings() == before


def test_a_module_in_training_mode_predicts_without_dropout_from_every_thread(weights):
    module = BertHubModule(task="seq-cls", weights=str(weights))
    expected = module.predict(TEXTS[:5], return_prob=True)[1]
    module.train()
    frozen = module.model.bert.embeddings
    frozen.eval()

    def predict():
        for _ in range(10):
            np.testing.assert_allclose(module.predict(TEXTS[:5], return_prob=True)[1], expected, atol=1e-5)

    run_together(*[predict] * 6)
    assert module.training and module.model.bert.encoder.training and not frozen.training


def test_the_training_mode_returns_after_the_last_of_two_overlapping_blocks():
    layer = paddle.nn.Sequential(paddle.nn.Dropout())
    first, second = evaluating(layer), evaluating(layer)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not layer.training and not layer[0].training
    second.__exit__(None, None, None)
    assert layer.training and layer[0].training


def test_exact_operations_are_a_choice_of_one_thread():
    seen, x = [], paddle.ones([2, 2])
    with exact():
        thread = threading.Thread(target=lambda: seen.append(uses_kernels(x, training=True)))
        thread.start()
        thread.join()
        assert not uses_kernels(x, training=True)
    assert seen == [True]


def test_without_a_child_process_the_layers_compute_and_a_warning_says_so(weights, monkeypatch, caplog):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    module = BertHubModule(task="seq-cls", weights=str(weights))
    expected = [module.predict([text], return_prob=True)[1][0] for text in TEXTS]
    for _ in range(2):
        np.testing.assert_allclose(module.predict(TEXTS, return_prob=True)[1], expected, atol=1e-5)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "large calls are computed by the layers, a tenth slower"
    ]
    assert "/no/such/python" in caplog.text


def test_a_program_is_traced_once_per_user_and_a_damaged_file_is_not_used(weights, tmp_path, monkeypatch):
    started, run = [], tracing.run_in_child
    monkeypatch.setattr(tracing, "run_in_child", lambda *given: started.append(1) or run(*given))
    found = []
    for content in (None, None, "", "{}", '{"program": 1, "parameters": [], "layers": [], "num_bytes": 0}'):
        tracing._trace.cache_clear()
        if content is not None:
            [file] = (tmp_path / "cache" / "paddle_wwm" / "programs").glob("*.json")
            file.write_text(content)
        module = BertHubModule(weights=str(weights))
        vectors = module.get_embedding(TEXTS)
        found.append((len(started), vectors))
    assert [number for number, _ in found] == [1, 1, 2, 3, 3]
    for _, vectors in found:
        np.testing.assert_allclose(vectors, found[0][1], atol=1e-5)


@pytest.mark.skipif(not inference.has_bf16(), reason="this CPU has no bfloat16")
def test_bf16_refuses_layers_that_a_program_cannot_hold(weights):
    module = BertHubModule(weights=str(weights))
    layer = module.model.bert.encoder.layers[0]
    hook = layer.linear1.register_forward_post_hook(lambda *_: None)
    with pytest.raises(HubModuleError, match="does not call the hooks"):
        module.get_embedding(TEXTS, precision="bf16")
    hook.remove()
    layer.linear1 = type("Adapted", (paddle.nn.Linear,), {})(*layer.linear1.weight.shape)
    with pytest.raises(HubModuleError, match=r"linear1 is .*Adapted.* unchanged layers"):
        module.get_embedding(TEXTS, precision="bf16")


def test_an_installed_module_makes_its_program_in_every_thread(weights, bare, tmp_path):
    from paddle_wwm.hub.build import build_module
    from paddle_wwm.hub.install import install_module

    built = build_module(name="my-bert", weights=weights, output=tmp_path / "dist")
    install_module(built.archive, home=tmp_path / "hub")
    code = (
        "import threading, paddlehub as hub\n"
        "module = hub.Module(name='my-bert')\n"
        "texts, found = ['使用语言模型来预测'] * 4000, []\n"
        "run = lambda: found.append(module.get_embedding(texts))\n"
        "threads = [threading.Thread(target=run) for _ in range(4)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]\n"
        "alone = module.get_embedding(texts[:1])\n"
        "print(len(found), max(abs(one - alone).max() for one in found) < 1e-5,\n"
        "      bool(module._programs.of(next(iter(module._programs._programs)))._exported))\n"
    )
    seen = bare.run(code, hub_home=tmp_path / "hub", cwd=tmp_path)
    assert seen.stdout.split()[-3:] == ["4", "True", "True"], seen.stdout + seen.stderr
    assert "computed by the layers" not in seen.stdout + seen.stderr


def numbers_of(value):
    if isinstance(value, dict):
        return [number for part in value.values() for number in numbers_of(part)]
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in numbers_of(part)]
    if isinstance(value, (np.ndarray, paddle.Tensor)):
        return np.asarray(value).ravel().tolist()
    return [value] if isinstance(value, float) else []


@pytest.mark.slow
def test_eight_threads_of_mixed_calls_give_equal_numbers(weights):
    modules = {task: BertHubModule(task=task, weights=str(weights)) for task in TASKS}
    ids = modules[None].get_tokenizer()(TEXTS[:4], padding=True, return_tensors="pd")

    def data_of(task, number):
        texts = (TEXTS * 4)[:number]
        if task == "fill-mask":
            return [f"{text}[MASK]" for text in texts]
        return [[text, "使用语言模型"] for text in texts] if task in ("text-matching", "question-answering") else texts

    calls = [
        lambda task=task, number=number: modules[task].predict(data_of(task, number), return_prob=task is not None)
        for task in TASKS
        for number in (1, 7, 150)
    ]
    calls += [lambda task=task: modules[task].get_embedding(TEXTS * 4, pooling="mean") for task in TASKS[:2]]
    calls += [lambda task=task: modules[task](**ids) for task in (None, "seq-cls")]
    if inference.has_bf16():
        calls.append(lambda: modules[None].get_embedding(TEXTS[:3], precision="bf16"))
    expected = [numbers_of(call()) for call in calls]
    deadline, num_calls = time.monotonic() + SOAK_SECONDS, [0] * 8

    def use(thread):
        rng = np.random.default_rng(thread)
        while time.monotonic() < deadline or num_calls[thread] == 0:
            number = int(rng.integers(len(calls)))
            np.testing.assert_allclose(numbers_of(calls[number]()), expected[number], atol=1e-5, err_msg=str(number))
            num_calls[thread] += 1

    run_together(*[lambda thread=thread: use(thread) for thread in range(8)])
    print(f"{sum(num_calls):,} calls by 8 threads in {SOAK_SECONDS:.0f} s, 0 errors")


def test_two_plain_python_processes_may_trace_at_the_same_time(weights, tmp_path):
    code = (
        "import sys; from paddle_wwm.hub import BertHubModule\n"
        f"module = BertHubModule(weights={str(weights)!r})\n"
        "module.save_inference_model(sys.argv[1]); print('saved')\n"
    )
    environment = {**os.environ, "GLOG_minloglevel": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / name)],
            env=environment,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    assert [process.communicate(timeout=300)[0].split()[-1] for process in processes] == ["saved", "saved"]
    one, two = ((tmp_path / name / "model.pdiparams").read_bytes() for name in ("one", "two"))
    assert one == two
