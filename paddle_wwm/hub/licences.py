"""The licences of a module: its code is under the project's licence, its weights under what the user states."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import HubModuleError
from ..variants import Variant

CODE_LICENCE = "Apache-2.0"
LICENSE_NAME, LICENSE_OF_WEIGHTS_NAME = "LICENSE", "LICENSE.weights"
CODE_LICENSE_FILE = Path(__file__).with_name(LICENSE_NAME)  # a copy of the project's, because a wheel needs it too
MAX_LICENCE_BYTES = 200_000
NOT_STATED = "not stated"


@dataclass(frozen=True, kw_only=True)
class Licence:
    """The licence of weights.

    Attributes:
        text: What summaries and NOTICE say.
        content: The text of the licence, if the user gives a file.
    """

    text: str
    content: str | None = None


def licence_of(given: str | Path | None, *, published: Variant | None) -> Licence:
    """Return the licence of a module's weights.

    Args:
        given: What the user states: an SPDX expression, or a file with the text of the licence.
        published: The model of the table whose weights they are, if they are.

    Raises:
        HubModuleError: `given` is neither, or the weights are published ones.
    """
    if published is not None:
        if given is not None:
            raise HubModuleError(
                f"`license` is for your own weights, but {published.name} has the licence of its authors, "
                f"{published.licence}; leave it out, or choose another name."
            )
        return Licence(text=f"{published.licence} (as its authors state)")
    if given is None:
        return Licence(text=NOT_STATED)
    if Path(given).is_file():
        return Licence(text=f"see {LICENSE_OF_WEIGHTS_NAME}", content=_read(Path(given)))
    try:
        from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
    except ImportError:
        raise HubModuleError(
            "an SPDX expression is checked by packaging 24.2 or later; pip install -U packaging, or give a file."
        ) from None
    try:
        return Licence(text=canonicalize_license_expression(str(given)))
    except InvalidLicenseExpression:
        raise HubModuleError(
            f"`license` must be an SPDX expression, such as Apache-2.0, CC-BY-4.0 or LicenseRef-My-Company, or an "
            f"existing file with the text of the licence, but is {str(given)!r}; see https://spdx.org/licenses."
        ) from None


def _read(path: Path) -> str:
    if path.stat().st_size > MAX_LICENCE_BYTES:
        raise HubModuleError(f"{path}: a licence must have at most {MAX_LICENCE_BYTES:,} bytes; is it another file?")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HubModuleError(f"{path}: cannot be read as the text of a licence: {error}.") from None
    if not text.strip():
        raise HubModuleError(f"{path}: must hold the text of a licence, but is empty.")
    return text
