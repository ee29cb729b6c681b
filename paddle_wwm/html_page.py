"""An HTML page that needs no other files. It fits narrow screens and dark mode."""

from __future__ import annotations

import html
from typing import Iterable

PAGE = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>
:root {{ --text: #222; --page: #fff; --line: #ddd; --faint: #555; --mark: #fde9c4;
--right: #0072B2; --wrong: #D55E00; }}
@media (prefers-color-scheme: dark) {{
:root {{ --text: #ddd; --page: #1a1a1a; --line: #444; --faint: #aaa; --mark: #57431b;
--right: #56B4E9; --wrong: #E69F00; }}
}}
body {{ font: 16px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; max-width: 72rem;
margin: 2rem auto; padding: 0 1rem; color: var(--text); background: var(--page); }}
.wide {{ overflow-x: auto; }}
.plots {{ display: flex; flex-wrap: wrap; gap: 1rem; }} .plots > div {{ flex: 1 1 21rem; max-width: 34rem; }}
table {{ border-collapse: collapse; margin: .5rem 0; }}
th, td {{ border-bottom: 1px solid var(--line); padding: .3rem .7rem; text-align: right; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--line); padding: .7rem; }}
ul {{ color: var(--faint); }}
mark {{ background: var(--mark); color: inherit; padding: 0 .15em; }}
.right {{ color: var(--right); }} .wrong {{ color: var(--wrong); }}
</style></head><body><h1>{title}</h1>
{body}</body></html>
"""


def html_page(*, title: str, sections: Iterable[str], language: str = "en") -> str:
    """Return an HTML page. The title is escaped; the sections are HTML."""
    return PAGE.format(title=html.escape(title), body="\n".join(sections), language=language)
