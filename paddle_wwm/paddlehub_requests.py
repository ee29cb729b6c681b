"""Where PaddleHub sends a request at every load of a module, and how to switch that off.

PaddleHub has no switch for it. But it takes the address of its server from a file, which `hub config` writes. An
address at which nothing listens ends the requests: they are refused at once, on this machine. docs/privacy.md lists
what is sent.

This module imports the standard library only, because the doctor uses it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_SERVER = "http://paddlepaddle.org.cn/paddlehub"
SWITCH_OFF = "hub config server==http://127.0.0.1:9"


def hub_home() -> Path:
    """Return PaddleHub's home: HUB_HOME, or .paddlehub in the user's home folder."""
    return Path(os.environ.get("HUB_HOME") or "~/.paddlehub").expanduser().absolute()


def server_of(home: Path) -> str:
    """Return the address of PaddleHub's server in its settings."""
    try:
        text = (home / "conf" / "config.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return DEFAULT_SERVER
    found = re.search(r"^server:\s*['\"]?([^\s'\"]+)", text, re.MULTILINE)
    return found[1] if found else DEFAULT_SERVER


def is_on_this_machine(server: str) -> bool:
    """Return True if requests to a server stay on this machine."""
    try:
        host = urlsplit(server).hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def description(home: Path) -> str:
    """Return one line about the requests of `hub.Module(…)` with these settings."""
    server = server_of(home)
    if is_on_this_machine(server):
        return f"hub.Module(…) in your programs sends its requests to {server}, on this machine"
    return (
        f"hub.Module(…) in your programs sends the module's name or path, versions and an id to {server}; commands of "
        f"paddle-wwm do not. To switch it off: {SWITCH_OFF} (docs/privacy.md)"
    )
