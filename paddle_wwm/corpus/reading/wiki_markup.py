"""Turn wikitext into plain text: one line per paragraph, heading or list item.

Dropped are references, tables, files, categories, formulas, comments and the templates that stand outside of sentences
(`wiki_templates.py` has the others). Links keep their text. The parser is mwparserfromhell.
"""

from __future__ import annotations

import functools
import re
from typing import Iterator

from .wiki_templates import shown_parameters
from .wiki_variants import resolve_variants

# tags whose content is not text of the article
_DROPPED = frozenset(
    """
    ref references gallery math chem ce score timeline hiero imagemap syntaxhighlight source templatestyles mapframe
    maplink graph inputbox categorytree indicator includeonly table style
    """.split()  # noqa: SIM905 (shorter than a list)
)
# tags that are removed, while their content is kept; those of _LINE_TAGS also end a line
_LINE_TAGS = frozenset(
    "br p div hr li dd dt dl ul ol blockquote poem center pre h1 h2 h3 h4 h5 h6".split()  # noqa: SIM905
)
_OTHER_TAGS = frozenset(
    """
    a abbr b bdi bdo big cite code data del dfn em font i ins kbd mark nowiki noinclude onlyinclude q rb rp rt ruby s
    samp section small span strike strong sub sup time tt u var wbr
    """.split()  # noqa: SIM905
)
_TAG = re.compile(r"<!--|<(?P<slash>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?=[\s/>])(?P<rest>[^<>]*)>|<")
_NOWIKI = re.compile(r"[\[\]{}|'=*#:;<]")
_TABLE_EDGE = re.compile(r"^[:*#\s]*\{\||^\s*\|\}(?!\}(?!\}))", re.MULTILINE)
_OPEN_ADDRESS = re.compile(r"\[(?=(?:https?:|ftp:)?//[^\]\n]{0,2000}(?:\n|\[|\Z))")
_BRACKETS = re.compile(r"\[\[|\]\]|\{\{+|\}\}+")
_OPENING = str.maketrans("]}", "[{")
_DROPPED_LINKS = re.compile(
    r"(file|image|media|category|文件|檔案|档案|图像|圖像|圖片|图片|媒体|媒體|分类|分類)\s*:", re.IGNORECASE
)
_OTHER_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*:")  # [[en:Mathematics]] stands at the side of a page
_QUOTES = re.compile(r"'{2,5}")
_SWITCH = re.compile(r"__[A-Z]+__|__[\u4e00-\u9fff]+__")
_EMPTY_BRACKETS = re.compile(r"[（(][\s，、；：,;:]*[)）]")
_BRACKET_BEGIN = re.compile(r"([（(])[，、；,;][\s，、；,;]*")
_BRACKET_END = re.compile(r"[，、；,;][\s，、；,;]*([）)])")
_SPACE = re.compile(r"[ \t\xa0]+")
_LIST_MARKS = re.compile(r"^[*#:;]+[ \t]*", re.MULTILINE)
_HEADING = "\x00"  # begins a line with a heading, until it is known that text follows


def plain_text(wikitext: str, *, variant: str) -> str:
    """Return the text of a page.

    The parser takes quadratic time for what is not closed, so such brackets, tags and tables are resolved before.

    Args:
        wikitext: The source of the page.
        variant: The variant of Chinese that -{…}- is resolved to.
    """
    import mwparserfromhell

    text = _without_tables(_without_tags(wikitext.replace(_HEADING, "")))
    text = resolve_variants(_OPEN_ADDRESS.sub("", _LIST_MARKS.sub("", text)), variant=variant)
    parts: list[str] = []
    _append(mwparserfromhell.parse(_without_open_brackets(text), skip_style_tags=True).nodes, parts)
    return "\n".join(_lines("".join(parts)))


def _without_tags(text: str) -> str:
    """Return the text without comments and tags.

    The content of the tags of _DROPPED is left out, too.
    """
    if "<" not in text:
        return text
    tokens = list(_TAG.finditer(text))
    last_end = {token["name"].lower(): index for index, token in enumerate(tokens) if token["slash"]}
    kept: list[str] = []
    begin = index = 0
    while index < len(tokens):
        token = tokens[index]
        index += 1
        if token.start() < begin:  # in a comment that is dropped
            continue
        kept.append(text[begin : token.start()])
        begin = token.end()
        name = (token["name"] or "").lower()
        if token.group() == "<!--":
            end = text.find("-->", begin)
            begin = len(text) if end < 0 else end + len("-->")
        elif name in _DROPPED or name == "nowiki":
            is_open = not token["slash"] and not token["rest"].endswith("/")
            if is_open and last_end.get(name, -1) >= index:
                while not (tokens[index]["slash"] and tokens[index]["name"].lower() == name):
                    index += 1
                if name == "nowiki":
                    inner = text[begin : tokens[index].start()]
                    kept.append(_NOWIKI.sub(lambda match: f"&#{ord(match.group())};", inner))
                begin = tokens[index].end()
                index += 1
        elif name in _LINE_TAGS:
            kept.append("\n")
        elif name not in _OTHER_TAGS:
            kept.append("&lt;" + token.group()[1:])
    kept.append(text[begin:])
    return "".join(kept)


def _without_tables(text: str) -> str:
    """Return the text without tables; one that is not closed loses only its mark."""
    if "{|" not in text:
        return text
    edges = list(_TABLE_EDGE.finditer(text))
    open_tables: list[int] = []
    closed_by: dict[int, int] = {}
    for index, edge in enumerate(edges):
        if edge.group().endswith("{|"):
            open_tables.append(index)
        elif open_tables:
            closed_by[open_tables.pop()] = index
    kept: list[str] = []
    begin = 0
    for index, edge in enumerate(edges):
        if edge.start() < begin or not edge.group().endswith("{|"):
            continue
        kept.append(text[begin : edge.start()])
        begin = edges[closed_by[index]].end() if index in closed_by else edge.end()
    kept.append(text[begin:])
    return "".join(kept)


def _without_open_brackets(text: str) -> str:
    """Return the text with entities in place of [[ and {{ that are not closed."""
    open_brackets: list[list[int]] = []  # place and length of each; the length falls when braces are closed
    literal: list[tuple[int, int]] = []

    def closed(match: re.Match[str]) -> None:
        kind, length = match.group()[0].translate(_OPENING), len(match.group())
        while length > 1 and (depth := num_open[kind]):
            while text[open_brackets[-1][0]] != kind:  # opened later, and not closed
                place, number = open_brackets.pop()
                num_open[text[place]] -= 1
                literal.append((place, number))
            top = open_brackets[-1]
            used = min(top[1], length, 3)
            top[1], length = top[1] - used, length - used
            if top[1] < 2:
                open_brackets.pop()
                num_open[kind] = depth - 1

    num_open = {"[": 0, "{": 0}
    for match in _BRACKETS.finditer(text):
        if match.group()[0] in num_open:
            open_brackets.append([match.start(), len(match.group())])
            num_open[match.group()[0]] += 1
        else:
            closed(match)
    literal += [(place, number) for place, number in open_brackets]
    kept: list[str] = []
    begin = 0
    for place, number in sorted(literal):
        kept += [text[begin:place], f"&#{ord(text[place])};" * number]
        begin = place + number
    return "".join((*kept, text[begin:]))


@functools.cache
def _node_types():  # type: ignore[no-untyped-def]
    from mwparserfromhell import nodes

    return nodes


def _append(found, parts: list[str]) -> None:  # type: ignore[no-untyped-def]
    """Append the text of parsed nodes."""
    types = _node_types()
    for node in found:
        if isinstance(node, types.Text):
            parts.append(node.value)
        elif isinstance(node, types.Wikilink):
            _append_link(node, parts)
        elif isinstance(node, types.Template):
            _append_template(node, parts)
        elif isinstance(node, types.Tag) and node.contents is not None:  # from a template that shows text
            _append(node.contents.nodes, parts)
        elif isinstance(node, types.ExternalLink):
            if not node.brackets:
                parts.append(str(node.url))
            elif node.title is not None:
                _append(node.title.nodes, parts)
        elif isinstance(node, types.HTMLEntity):
            parts.append(node.normalize())
        elif isinstance(node, types.Heading):
            parts.append(f"\n{_HEADING}")
            _append(node.title.nodes, parts)
            parts.append("\n")
        elif isinstance(node, types.Argument) and node.default is not None:
            _append(node.default.nodes, parts)


def _append_link(node, parts: list[str]) -> None:  # type: ignore[no-untyped-def]
    title = str(node.title).strip()
    if _DROPPED_LINKS.match(title):
        return
    if node.text is not None:
        _append(node.text.nodes, parts)
    elif not _OTHER_LANGUAGE.match(title):
        _append(node.title.nodes if not title.startswith(":") else (), parts)
        parts.append(title[1:] if title.startswith(":") else "")


def _append_template(node, parts: list[str]) -> None:  # type: ignore[no-untyped-def]
    shown = shown_parameters(str(node.name))
    if isinstance(shown, str):
        parts.append(shown)
        return
    for choice in shown:
        values = [node.get(number).value for number in choice if node.has(number)]
        if len(values) == len(choice) and all(str(value).strip() for value in values):
            for value in values:
                _append(value.nodes, parts)
            return


def _lines(text: str) -> Iterator[str]:
    """Yield the lines that have text. A heading without text below it is left out."""
    headings: list[str] = []
    for raw in text.split("\n"):
        is_heading = raw.startswith(_HEADING)
        line = _SWITCH.sub("", _QUOTES.sub("", raw.removeprefix(_HEADING)))
        if "（" in line or "(" in line:
            line = _BRACKET_END.sub(r"\1", _BRACKET_BEGIN.sub(r"\1", _EMPTY_BRACKETS.sub("", line)))
        line = _SPACE.sub(" ", line).strip()
        if is_heading:
            headings = [line] if line else []
        elif line:
            yield from headings
            headings = []
            yield line
