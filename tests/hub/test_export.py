"""save_inference_model and ONNX give the same outputs as the module."""

import numpy as np
import onnx
import paddle
import pytest
from onnx.reference import ReferenceEvaluator

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule
from paddle_wwm.model.config_keys import ANSWER_KINDS

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


@pytest.mark.parametrize("task", TASKS)
def test_onnx_gives_the_outputs_of_the_module_for_any_shape(weights, tmp_path, task):
    module = BertHubModule(task=task, weights=str(weights))
    module.export_onnx_model(str(tmp_path))
    evaluator = ReferenceEvaluator(str(tmp_path / "model.onnx"))
    for rows in (3, 1):
        inputs = [array[:rows, : 16 - rows] for array in inputs_of(module)]
        found = evaluator.run(None, dict(zip(evaluator.input_names, inputs)))
        for one, other in zip(found, outputs_of(module, inputs), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    assert (tmp_path / "vocab.txt").read_bytes() == (weights / "vocab.txt").read_bytes()


def test_the_two_texts_of_text_matching_may_have_other_lengths_in_onnx(weights, tmp_path):
    BertHubModule(task="text-matching", weights=str(weights)).export_onnx_model(str(tmp_path))
    # onnxruntime refuses inputs of other sizes where the names of sizes are equal; the reference does not
    assert lengths_of(tmp_path / "model.onnx") == {
        "query_input_ids": "query_sequence_length",
        "query_token_type_ids": "query_sequence_length",
        "title_input_ids": "title_sequence_length",
        "title_token_type_ids": "title_sequence_length",
    }


def lengths_of(path):
    return {one.name: one.type.tensor_type.shape.dim[1].dim_param for one in onnx.load(str(path)).graph.input}


def test_onnx_of_a_question_answering_module_with_kinds_gives_the_tokens(weights, tmp_path):
    module = BertHubModule(task="question-answering", weights=str(weights), label_map=list(ANSWER_KINDS))
    module.export_onnx_model(str(tmp_path))
    evaluator, inputs = ReferenceEvaluator(str(tmp_path / "model.onnx")), inputs_of(module)
    found = evaluator.run(None, dict(zip(evaluator.input_names, inputs)))
    np.testing.assert_allclose(found[0], outputs_of(module, inputs)[0], atol=1e-5)


def test_names_and_shapes_of_onnx_inputs_can_be_given(weights, tmp_path):
    module = BertHubModule(task="seq-cls", weights=str(weights))
    spec = [paddle.static.InputSpec([None, 16], "int64", name) for name in ("ids", "types")]
    module.export_onnx_model(str(tmp_path), input_spec=spec, opset_version=17)
    inputs = onnx.load(str(tmp_path / "model.onnx")).graph.input
    shapes = {one.name: [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim] for one in inputs}
    assert shapes == {"ids": ["batch_size", 16], "types": ["batch_size", 16]}
    for options, message in (
        ({"opset_version": 11}, "opset_version 17"),
        ({"enable_dev_version": True}, "enable_dev_version"),
        ({"input_spec": [paddle.static.InputSpec([None, None], "int32", name) for name in "ab"]}, "int64"),
    ):
        with pytest.raises(HubModuleError, match=message):
            module.export_onnx_model(str(tmp_path / "other"), **options)
    assert not (tmp_path / "other").exists()


def test_replaced_layers_and_hooks_are_not_exported_as_onnx(weights, tmp_path):
    module = BertHubModule(task="seq-cls", weights=str(weights))
    kept = module.model.classifier
    module.model.classifier = paddle.nn.Sequential(kept)
    with pytest.raises(HubModuleError, match="were replaced"):
        module.export_onnx_model(str(tmp_path / "out"))
    module.model.classifier = kept
    module.model.bert.pooler.register_forward_post_hook(lambda *_: None)
    with pytest.raises(HubModuleError, match="pooler has hooks"):
        module.export_onnx_model(str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
