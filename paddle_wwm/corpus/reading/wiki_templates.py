"""The templates of Chinese Wikipedia that stand in sentences and show one of their parameters as text.

Other templates (infoboxes, navigation, citations, maintenance) are dropped.
Source: the documentation page of each template on https://zh.wikipedia.org
"""

from __future__ import annotations

import re
from typing import Sequence

# name (a pattern, in lower case): what is shown, as numbers of parameters that are joined. The first choice of which
# all are given counts.
_SHOWN = (
    (r"link-[a-z-]+|le|ilh|illm|internal link helper(/.*)?|link", ((3,), (1,))),
    (r"tsl|translink|link-interwiki", ((4,), (3,), (2,))),
    (r"lang|transl|color|font color|fontcolor", ((2,), (1,))),
    (r"lang-[a-z-]+|nowrap|nobr|small|smaller|big|larger|center|u|s|nb|text", ((1,),)),
    (r"quote|cquote|blockquote|quotation|abbr|tooltip|ruby|rt|nihongo|jpn|ill", ((1,),)),
    (r"convert|cvt", ((1, 2),)),
)
_NAMES = [(re.compile(pattern), choices) for pattern, choices in _SHOWN]
_FORMATS = {
    "·": "·",
    "•": "•",
    "ndash": "–",
    "mdash": "—",
    "spaced ndash": " – ",
    "snd": " – ",
    "nbsp": " ",
    "spaces": " ",
}


def shown_parameters(name: str) -> str | Sequence[Sequence[int]]:
    """Return what a template shows: text, or choices of parameters.

    Each choice has the numbers of parameters that are joined. The first one of which all are given counts.

    Args:
        name: The name of the template.
    """
    plain = " ".join(name.replace("_", " ").split()).lower().removeprefix("template:").removeprefix("模板:")
    if plain in _FORMATS:
        return _FORMATS[plain]
    return next((choices for pattern, choices in _NAMES if pattern.fullmatch(plain)), ())
