"""The recipes of the experiment are found by name and by their former path."""

from pathlib import Path

import pytest

from experiments.evidence.experiment import DEFAULT_RECIPE, RECIPES, find_recipe
from experiments.evidence.settings import read_settings, save_settings
from paddle_wwm.recipe_file import load_config
from tests.experiments.builders import config_of
from tests.integration.scripts import run_script

NAMES = ("evidence", "evidence-short")


def test_the_folder_has_these_recipes_and_each_opens_with_its_command():
    assert sorted(path.stem for path in RECIPES.iterdir()) == sorted(NAMES)
    for path in RECIPES.iterdir():
        opening = path.read_text(encoding="utf-8").partition("\nmodel:")[0]
        assert "python -m experiments.evidence" in opening and "Expect" in opening and "CPU cores" in opening
        assert load_config(path).num_steps > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["{}", "{}.yaml", "scripts/recipes/{}.yaml", "/elsewhere/scripts/recipes/{}.yaml"])
def test_a_recipe_is_found_by_name_and_by_its_former_path(name, form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evidence").mkdir()  # a folder of that name is not a recipe
    assert find_recipe(Path(form.format(name))) == RECIPES / f"{name}.yaml"


def test_an_existing_file_takes_precedence_over_a_recipe_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("evidence.yaml").write_text("seed: 1\n", encoding="utf-8")
    assert find_recipe(Path("evidence.yaml")) == Path("evidence.yaml")
    assert find_recipe(Path("absent/evidence.yaml")) == Path("absent/evidence.yaml")
    assert find_recipe(Path("absent.yaml")) == Path("absent.yaml")


def test_settings_with_a_former_recipe_path_are_read(tmp_path):
    config = config_of(tmp_path, recipe=Path("/elsewhere/scripts/recipes/evidence.yaml"))
    save_settings(config)
    assert read_settings(config.output).recipe == DEFAULT_RECIPE


def test_the_former_script_runs_the_module_from_any_folder(tmp_path):
    done = run_script("evidence.py", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "python -m experiments.evidence" in done.stdout
