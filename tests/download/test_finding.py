"""The folders and names that --model accepts."""

import shutil

import pytest

from paddle_wwm.datasets.table import find_dataset
from paddle_wwm.download.finding import find_model
from paddle_wwm.errors import CheckpointError, PaddleWWMError
from paddle_wwm.files import write_json
from paddle_wwm.finetuning.recipe import recipe_of

from ..finetuning.builders import write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory, mini_vocab):
    return write_model(tmp_path_factory.mktemp("models") / "tiny", mini_vocab)


@pytest.mark.parametrize(
    ("place", "given", "name"),
    [
        ("mine", "mine", "mine"),
        ("runs/wwm-seed1/model", "runs/wwm-seed1", "wwm-seed1"),
        ("runs/wwm-seed1/model", "runs/wwm-seed1/model", "wwm-seed1"),
        ("modules/rbt3/assets", "modules/rbt3", "rbt3"),
    ],
    ids=["a model folder", "a run", "the model of a run", "a hub module"],
)
def test_a_model_is_found_in_any_kind_of_folder_and_gets_its_name(model, tmp_path, place, given, name):
    shutil.copytree(model, tmp_path / place)
    found = find_model(str(tmp_path / given))
    assert (found.folder, found.name) == (tmp_path / place, name)


def test_a_name_of_the_table_of_models_is_found_among_the_stored_models(model, tmp_path, monkeypatch):
    monkeypatch.setenv("PADDLE_WWM_HOME", str(tmp_path))
    folder = shutil.copytree(model, tmp_path / "models" / "chinese-roberta-wwm-ext")
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    write_json(
        folder / "source.json", {"name": "chinese-roberta-wwm-ext", "files": [], "notes": [], "stored_bytes": sizes}
    )
    found = find_model("hfl/chinese-roberta-wwm-ext")
    assert (found.folder, found.name) == (folder, "chinese-roberta-wwm-ext")


def test_the_name_for_tables_can_be_given(model):
    assert find_model(str(model), name="ours, 2 layers").name == "ours, 2 layers"


@pytest.mark.parametrize("given", ["chinese-robreta-wwm-ext", "./no/such/folder"])
def test_neither_a_folder_nor_a_known_name_is_an_error(given):
    with pytest.raises(PaddleWWMError, match="is not a folder"):
        find_model(given)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="model_state.pdparams"):
        find_model(str(tmp_path))


@pytest.mark.parametrize(
    ("model", "rate"), [("chinese-roberta-wwm-ext", 2e-5), ("bert-base-chinese", 2e-5), ("rbt3", 2e-5)]
)
def test_the_recipe_is_that_of_the_authors(model, rate):
    recipe = recipe_of(find_dataset("chnsenticorp"), model=model)
    assert (recipe.max_seq_length, recipe.batch_size, recipe.num_epochs, recipe.learning_rate) == (256, 64, 3, rate)
    assert (recipe.warmup_ratio, recipe.weight_decay, recipe.clip_norm, recipe.layer_decay, recipe.patience) == (
        0.1,
        0.01,
        1.0,
        1.0,
        0,
    )
    assert recipe_of(find_dataset("cmrc2018"), model=model, batch_size=16, learning_rate=None).batch_size == 16
