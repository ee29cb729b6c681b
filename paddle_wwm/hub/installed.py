"""Load installed modules without the request that `hub.Module(…)` sends to PaddleHub's server at every load.

A user's own `hub.Module(…)` is not changed: docs/privacy.md says what it sends and how to switch that off.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import HubModuleError, PaddleWWMError
from ..paddlehub_requests import hub_home
from ..variants.lookup import known_variant
from .sources import folder_name


def find_installed(name: str) -> Path:
    """Return the folder of a module that is installed or given by its folder.

    Raises:
        HubModuleError: the module is not installed.
    """
    variant = known_variant(name)
    modules = hub_home() / "modules"
    places = [Path(name), modules / folder_name(name), *([modules / folder_name(variant.name)] if variant else [])]
    folder = next((place for place in places if (place / "module.py").is_file()), None)
    if folder is None:
        raise HubModuleError(
            f"{name}: not installed in {hub_home()}; install it with: paddle-wwm hub install ARCHIVE.tar"
        )
    return folder


def load_installed(name: str, **options: Any) -> Any:
    """Load an installed module by its name, or a module from its folder.

    Args:
        name: the name of a module in HUB_HOME, or the path of a folder with module.py.
        options: the arguments of the module.

    Raises:
        HubModuleError: the module is not installed, or it refuses the arguments.
    """
    folder = find_installed(name)
    from paddlehub.module.module import Module

    try:
        return Module.init_with_directory(str(folder), **options)
    except Exception as error:
        reason = str(error) if is_user_error(error) else f"{type(error).__name__}: {error}"
        raise HubModuleError(f"{name}: cannot be loaded: {reason}") from None


def is_user_error(error: Exception) -> bool:
    """Return True for an error that a user can fix.

    A module from an archive has its own copy of our code, and so of our error classes.
    """
    return any(kind.__name__ == PaddleWWMError.__name__ for kind in type(error).__mro__)
