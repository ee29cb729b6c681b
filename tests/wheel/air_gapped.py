"""Check the offline installation (`make air-gapped-check`), in a network namespace with only a loopback interface.

  python -m tests.wheel.air_gapped wheelhouse

It installs wheelhouse/ with --no-index. Then it runs a short pretraining, a fine-tuning, and a server that answers one
request. If the system does not permit network namespaces (`unshare --net`), it prints that the check is skipped.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import journey
from .journey import Installation, StepError

# Root needs only --net; other users first become root of a new user namespace.
WAYS = (("unshare", "--net"), ("unshare", "--user", "--map-root-user", "--net"))
OUTSIDE = ("192.0.2.1", 80)  # an address that is never assigned (RFC 5737)
GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP of Linux
FEW_STEPS = ("phases.0.num_steps=20", "phases.0.num_warmup_steps=2")


def way_to_unshare() -> tuple[str, ...] | None:
    """Return the command that starts another one in a namespace without a network, or None if not permitted."""
    for way in WAYS:
        try:
            if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
                return way
        except OSError:
            return None
    return None


def raise_loopback() -> None:
    """Switch on the loopback interface: it is off in a new namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        _, flags = struct.unpack("16sH14x", fcntl.ioctl(control, GET_FLAGS, request))
        fcntl.ioctl(control, SET_FLAGS, struct.pack("16sH14x", b"lo", flags | UP))


def is_cut_off() -> bool:
    """Return True if there is no route to the outside, so that sending fails at once."""
    interfaces = [name for _, name in socket.if_nameindex()]
    with socket.socket() as probe:
        probe.settimeout(5)
        return interfaces == ["lo"] and probe.connect_ex(OUTSIDE) == errno.ENETUNREACH


def install(environment: Path, *, wheelhouse: Path) -> None:
    """Install with the commands of docs/air-gapped.md."""
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = str(environment / "bin" / "python")
    house = str(wheelhouse)
    command = [python, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", house]
    pins = ["--constraint", f"{house}/constraints.txt"]
    # ignore the pip settings of this machine, such as another index or folder of wheels
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHONPATH"))}
    variables["PIP_CONFIG_FILE"] = os.devnull
    subprocess.run([*command, *pins, "paddle_wwm"], check=True, cwd=environment, env=variables)


def inside(wheelhouse: Path) -> None:
    """Run the check inside the namespace."""
    raise_loopback()
    if not is_cut_off():
        raise StepError("the namespace must have only the loopback interface, but has another network.")
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_") as temporary:
        root = Path(temporary)
        (root / "work").mkdir()
        installation = Installation(environment=root / "env", folder=root / "work", hub_home=root / "hub")
        started = time.monotonic()
        install(installation.environment, wheelhouse=wheelhouse)
        print(f"  {'install':30} {time.monotonic() - started:6.1f} s", flush=True)

        def pretrain_briefly(installation: Installation) -> None:
            journey.pretrain(installation, *FEW_STEPS)

        steps = (
            journey.help_text,
            journey.doctor,
            pretrain_briefly,
            journey.finetune,
            journey.hub_module,
            journey.serve,
        )
        journey.walk(installation, steps)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheelhouse", type=Path, metavar="DIR", help="folder made by `make wheelhouse`")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        try:
            inside(arguments.wheelhouse)
        except (StepError, subprocess.SubprocessError) as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
        return 0
    way = way_to_unshare()
    if way is None:
        print("skipped: this system does not permit network namespaces (`unshare --net true` fails; see `man unshare`)")
        return 0
    print(f"without a network, with {sys.executable}", flush=True)
    module = [sys.executable, "-m", "tests.wheel.air_gapped", "--inside", str(arguments.wheelhouse.resolve())]
    return subprocess.run([*way, *module], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
