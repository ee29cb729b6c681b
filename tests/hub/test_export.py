"""save_inference_model and ONNX give the same outputs as the module."""

import numpy as np
import paddle
import pytest

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule

TEXTS = ["使用语言模型", "来预测", "下一个词的probability。"]
TASKS = [None, "fill-mask", "seq-cls", "multi-label", "token-cls", "text-matching", "question-answering"]


def inputs_of(module):
    encoded = module.get_tokenizer()(TEXTS, padding=True, return_tensors="np")
    return [encoded["input_ids"].astype(np.int64), encoded["token_type_ids"].astype(np.int64)] * (
        2 if module.task == "text-matching" else 1
    )


def outputs_of(module, inputs):
    names = ("query_input_ids", "query_token_type_ids", "title_input_ids", "title_token_type_ids")
    if module.task != "text-matching":
        names = ("input_ids", "token_type_ids")
    with paddle.no_grad():
        outputs = module(**{name: paddle.to_tensor(array) for name, array in zip(names, inputs)})
    return [output.numpy() for output in (outputs if isinstance(outputs, (tuple, list)) else [outputs])]


@pytest.mark.parametrize("task", TASKS)
def test_a_saved_program_gives_the_outputs_of_the_module_for_any_shape(weights, tmp_path, task):
    module = BertHubModule(task=task, weights=str(weights))
    module.save_inference_model(str(tmp_path / "saved"))
    predictor = paddle.inference.create_predictor(
        paddle.inference.Config(str(tmp_path / "saved" / "model.json"), str(tmp_path / "saved" / "model.pdiparams"))
    )
    assert (tmp_path / "saved" / "vocab.txt").read_bytes() == (weights / "vocab.txt").read_bytes()
    for rows in (3, 1):
        inputs = [array[:rows, : 16 - rows] for array in inputs_of(module)]
        found = predictor.run([paddle.to_tensor(array) for array in inputs])
        for one, other in zip(found, outputs_of(module, inputs), strict=True):
            np.testing.assert_allclose(one.numpy(), other, atol=1e-5)


def test_a_module_with_its_own_forward_or_a_hook_is_not_exported(weights, tmp_path):
    class Doubled(BertHubModule):
        def forward(self, *inputs, **options):
            return 2 * super().forward(*inputs, **options)

    with pytest.raises(HubModuleError, match="has its own `forward`"):
        Doubled(task="seq-cls", weights=str(weights)).save_inference_model(str(tmp_path / "saved"))
    module = BertHubModule(task="seq-cls", weights=str(weights))
    module.model.bert.pooler.register_forward_post_hook(lambda *_: None)
    with pytest.raises(HubModuleError, match="pooler has hooks"):
        module.save_inference_model(str(tmp_path / "saved"))
    assert not (tmp_path / "saved").exists()


def test_the_files_of_a_saved_program_have_the_given_names(weights, tmp_path):
    module = BertHubModule(task="seq-cls", weights=str(weights))
    module.save_inference_model(str(tmp_path), model_filename="net.json", params_filename="weights.bin")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "vocab.txt", "weights.bin"]
    config = paddle.inference.Config(str(tmp_path / "net.json"), str(tmp_path / "weights.bin"))
    found = paddle.inference.create_predictor(config).run([paddle.to_tensor(array) for array in inputs_of(module)])
    np.testing.assert_allclose(found[0].numpy(), outputs_of(module, inputs_of(module))[0], atol=1e-5)


def test_onnx_gives_the_outputs_of_the_module_and_installs_nothing(weights, tmp_path, monkeypatch):
    reference = pytest.importorskip("onnx.reference")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    module = BertHubModule(task="seq-cls", weights=str(weights))
    module.export_onnx_model(str(tmp_path))
    evaluator, inputs = reference.ReferenceEvaluator(str(tmp_path / "model.onnx")), inputs_of(module)
    found = evaluator.run(None, dict(zip(evaluator.input_names, inputs)))
    np.testing.assert_allclose(found[0], outputs_of(module, inputs)[0], atol=1e-5)
