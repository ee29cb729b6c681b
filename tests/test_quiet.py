"""Imports print nothing, and other messages still show."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings

import pytest

from paddle_wwm.quiet import NOISE, quiet_environment

LOG_LEVEL = "GLOG_minloglevel"


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter whose warning and log settings are the defaults."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONWARNINGS", LOG_LEVEL)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=clean | environment, check=False)


def test_importing_the_package_and_quiet_imports_no_heavy_dependency():
    code = """
import sys
import paddle_wwm, paddle_wwm.quiet, paddle_wwm.doctor
print([name for name in ("paddle", "paddlenlp", "paddlehub", "numpy", "LAC", "yaml") if name in sys.modules])
"""
    run = run_python(code)
    assert (run.stdout, run.stderr) == ("[]\n", "")


def test_importing_quiet_is_fast():
    start = time.monotonic()
    run = run_python("import paddle_wwm.quiet")
    assert run.returncode == 0
    assert time.monotonic() - start < 2, (
        "Python and this module should start in well below 0.1 s; importing paddle takes over 1 s"
    )


def test_recompiled_dependencies_are_quiet_and_own_syntax_warnings_show(tmp_path):
    (tmp_path / "ours.py").write_text("x = 1 is 1\n", encoding="utf-8")
    code = "from paddle_wwm.quiet import quiet_environment; quiet_environment(); import jieba, ours"
    run = run_python(
        code,
        PYTHONPYCACHEPREFIX=str(tmp_path / "cache"),
        PYTHONPATH=os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
    )
    assert run.returncode == 0
    assert "invalid escape sequence" not in run.stderr
    assert 'SyntaxWarning: "is" with' in run.stderr


@pytest.mark.parametrize("statement", ["import paddle", "import paddlenlp", "import paddlehub; paddlehub.Module"])
def test_an_import_through_quiet_environment_prints_nothing(statement):
    run = run_python(f"from paddle_wwm.quiet import quiet_environment; quiet_environment(); {statement}")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_warnings_of_the_user_program_still_show():
    code = (
        "from paddle_wwm.quiet import quiet_environment; quiet_environment(); import paddle, warnings; "
        "warnings.warn('real')"
    )
    run = run_python(code)
    assert run.returncode == 0
    assert "UserWarning: real" in run.stderr


@pytest.mark.parametrize(
    ("message", "module"),
    [("No ccache found. Please be aware", "paddle_wwm.elsewhere"), ("No compiler found.", NOISE[0][2])],
)
def test_filters_match_message_and_module_together(message, module):
    module = module.replace("\\", "").rstrip("$")
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        quiet_environment()
        warnings.warn_explicit(message, UserWarning, filename="file.py", lineno=1, module=module)
    assert [str(warning.message) for warning in shown] == [message]


def test_known_warnings_of_dependencies_are_hidden():
    noise = (
        ("No ccache found. Please be aware that recompiling", "paddle.utils.cpp_extension.extension_utils"),
        ("Setuptools is replacing distutils. Support for", "_distutils_hack"),
        ("pkg_resources is deprecated as an API. See", "jieba._compat"),
        ("invalid escape sequence '\\.'", "/somewhere/site-packages/jieba/finalseg/__init__"),
    )
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        quiet_environment()
        for message, module in noise:
            category = SyntaxWarning if message.startswith("invalid escape") else UserWarning
            warnings.warn_explicit(message, category, filename="file.py", lineno=1, module=module)
    assert shown == []


def test_calling_quiet_environment_twice_adds_no_filters():
    with warnings.catch_warnings():
        quiet_environment()
        once = list(warnings.filters)
        quiet_environment()
        assert sorted(map(repr, warnings.filters)) == sorted(map(repr, once))


def test_a_log_level_set_by_the_user_is_kept(monkeypatch):
    monkeypatch.setenv(LOG_LEVEL, "0")
    with warnings.catch_warnings():
        quiet_environment()
    assert os.environ.get(LOG_LEVEL) == "0"
    monkeypatch.delenv(LOG_LEVEL)
    with warnings.catch_warnings():
        quiet_environment()
    assert os.environ.get(LOG_LEVEL) == "2"
