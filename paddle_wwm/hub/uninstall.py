"""Remove an installed module together with the redirecting modules of its other names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import HubModuleError
from ..files import disk_errors_as
from ..paddlehub_requests import hub_home
from ..variants.lookup import known_variant
from .module_info import MODULE_FILE
from .placing import alone, modules_of, staging, take_out
from .redirects import redirects_in, redirects_to, remove_redirect
from .sources import folder_name


@dataclass(frozen=True, kw_only=True)
class UninstalledModule:
    """What was removed.

    Attributes:
        removed: The folders.
        notes: Messages for the user.
    """

    removed: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def uninstall_module(name: str, *, home: Path | None = None) -> UninstalledModule:
    """Remove a module and its redirecting modules.

    If `name` is another name of a module, only that redirecting module is removed.

    Args:
        name: The name for hub.Module(name=…).
        home: PaddleHub's home; None: HUB_HOME, or .paddlehub in the user's home folder.

    Returns:
        The removed folders, and notes.

    Raises:
        HubModuleError: No module of this name is installed, or its folder is a link.
    """
    home = home or hub_home()
    target = modules_of(home) / folder_name(name)
    if not re.fullmatch(r"\w+(?:\.\w+)*", target.name) or "/" in name:
        raise HubModuleError(f"{name!r}: is not the name of an installed module.{_hint(name)}")
    if not modules_of(home).is_dir():
        raise HubModuleError(f"{name}: is not installed in {home}.")
    notes: tuple[str, ...] = ()
    with disk_errors_as(HubModuleError, folder=home, remedy="Run the command again."), staging(home) as staged:
        if (loaded := redirects_to(target)) is not None:
            removed = [target] if remove_redirect(target, home=home, staged=staged) else []
            if (modules_of(home) / folder_name(loaded) / MODULE_FILE).is_file():
                notes = (f"the module itself stays; to remove it: paddle-wwm hub uninstall {loaded}",)
        else:
            with alone(home, target.name):
                if target.is_symlink():
                    raise HubModuleError(f"{target}: is a link, not an installed module; remove it yourself.")
                is_module = (target / MODULE_FILE).is_file()
                if is_module:
                    take_out(target, staged=staged)
            removed = [target] if is_module else []
            redirects = redirects_in(home, name=name)
            removed += [folder for folder in redirects if remove_redirect(folder, home=home, staged=staged)]
    if not removed:
        raise HubModuleError(f"{name}: is not installed in {home}.{_hint(name)}")
    return UninstalledModule(removed=tuple(removed), notes=notes)


def _hint(name: str) -> str:
    variant = known_variant(name)
    if variant is None or variant.hub_name == name:
        return ""
    return f" It is another name of {variant.hub_name}: paddle-wwm hub uninstall {variant.hub_name}."
