"""One style for the pictures of the project.

SVG keeps its text as text: the browser draws Chinese names with its own fonts. The foreground follows dark mode. PNG
uses a Chinese font of this machine if one is found. The colours are those of Okabe and Ito, which people with colour
blindness can distinguish; markers differ, too.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from typing import IO, Any, Iterator, Sequence

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C")
MARKERS = "osD^vPX"
CJK_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "WenQuanYi Micro Hei"),
    *("WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "Arial Unicode MS"),
)
# Written by matplotlib into SVG; `as_svg` replaces it by the colour of the page.
_FOREGROUND = "#010203"
_SVG_STYLE = (
    "<style>svg{color:#222}svg text{font-family:system-ui,'Noto Sans CJK SC','PingFang SC','Microsoft YaHei',sans-serif"
    "!important}@media(prefers-color-scheme:dark){svg{color:#ddd}}</style>"
)


@contextlib.contextmanager
def styled(*, for_svg: bool = True) -> Iterator[None]:
    """Draw figures in the style of the project inside the block.

    Args:
        for_svg: True for figures that `as_svg` writes; False for PNG.
    """
    import matplotlib
    from cycler import cycler

    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # Paddle's log handler would print its INFO lines
    colour = _FOREGROUND if for_svg else "#222222"
    fonts = ["DejaVu Sans"] if for_svg else [*_found_cjk_fonts()[:1], "DejaVu Sans"]
    rules = {
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), colour),
        **{"figure.facecolor": "none" if for_svg else "white", "axes.facecolor": "none", "legend.framealpha": 0.0},
        **{"axes.prop_cycle": cycler(color=COLOURS), "axes.grid": True, "grid.alpha": 0.25, "grid.color": colour},
        **{"axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.unicode_minus": False},
        **{"font.family": "sans-serif", "font.sans-serif": fonts},
        **{"svg.fonttype": "none", "svg.hashsalt": "paddle_wwm"},
    }
    with matplotlib.rc_context(rules), warnings.catch_warnings():
        # the browser has the glyphs that the font of the layout lacks
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        yield


def new_figure(num_axes: int, *, width: float = 5.5, height: float = 3.8) -> tuple[Any, Sequence[Any]]:
    """Return a figure and its axes in one row. It needs no display.

    Args:
        num_axes: the number of axes.
        width: of each of them, in inches.
        height: in inches.
    """
    from matplotlib.figure import Figure  # not pyplot, which keeps global state

    figure = Figure(figsize=(width * num_axes, height), layout="constrained")
    return figure, figure.subplots(1, num_axes, squeeze=False)[0]


def as_svg(figure: Any) -> str:
    """Return the figure as an <svg> element as wide as the page.

    The same figure gives the same text.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()[stream.getvalue().index("<svg") :]
    head, rest = text.split(">", 1)
    width = re.search(r' width="([\d.]+)pt"', head)
    head = re.sub(r' (width|height)="[\d.]+pt"', "", head)
    limit = f"{float(width[1]) * 4 / 3:.0f}px" if width else "100%"
    rest = rest.replace(_FOREGROUND, "currentColor")
    text = f'{head} style="width:100%;max-width:{limit};height:auto;overflow:visible">{_SVG_STYLE}{rest}'
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def write_png(figure: Any, stream: IO[bytes]) -> None:
    """Write the figure as PNG."""
    figure.savefig(stream, format="png", dpi=110)


def whole_numbers(axis: Any) -> None:
    """Put ticks only at whole numbers, for example at epochs."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def plain_log_ticks(axis: Any) -> None:
    """Write the ticks of a logarithmic axis as 10, 200, 5k.

    The default writes powers, and so many that they overprint.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _found_cjk_fonts() -> list[str]:
    from matplotlib import font_manager

    names = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in CJK_FONTS if name in names]
