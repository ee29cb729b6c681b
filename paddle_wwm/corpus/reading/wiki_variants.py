"""Resolve the language-conversion markup of Chinese wikis, such as -{zh-hans:软件;zh-hant:軟體}-, to one variant.

Only this markup is resolved. The rest of a page keeps the script of its writer; the cleaning rule `simplified`
converts it. Source: https://www.mediawiki.org/wiki/Writing_systems/Syntax
"""

from __future__ import annotations

import re

# variant: the variants that are used if a rule does not name it, best first
VARIANTS = {
    "zh-cn": ("zh-hans", "zh-sg", "zh-my"),
    "zh-sg": ("zh-my", "zh-hans", "zh-cn"),
    "zh-my": ("zh-sg", "zh-hans", "zh-cn"),
    "zh-hans": ("zh-cn", "zh-sg", "zh-my"),
    "zh-tw": ("zh-hant", "zh-hk", "zh-mo"),
    "zh-hk": ("zh-mo", "zh-hant", "zh-tw"),
    "zh-mo": ("zh-hk", "zh-hant", "zh-tw"),
    "zh-hant": ("zh-tw", "zh-hk", "zh-mo"),
}
_TOKEN = re.compile(r"-\{(?!\{)|(?<!\})\}-|\}\}\}-")
_NAME = r"zh(?:-[a-z]+)?"
_NEXT_RULE = re.compile(rf";\s*(?=(?:[^;:{{}}]*=>)?\s*{_NAME}\s*:)", re.IGNORECASE)
_RULE = re.compile(rf"\s*(?:(?P<source>[^:]*)=>)?\s*(?P<variant>{_NAME})\s*:(?P<text>.*)", re.IGNORECASE | re.DOTALL)
_FLAGS = re.compile(rf"\s*(?:[A-Z+-]|{_NAME})(?:\s*;\s*(?:[A-Z+-]|{_NAME}))*\s*", re.IGNORECASE)
_LAST_SEMICOLON = re.compile(r"^\s+|(?<!&\w\w)(?<!&\w{3})(?<!&\w{4})(?<!&\w{5});?\s*$")  # not that of &nbsp;
_SHOWN_NOTHING = frozenset("HT-D")


def resolve_variants(text: str, *, variant: str) -> str:
    """Return wikitext with every -{…}- replaced by its text for the variant.

    Markup that is not closed is kept.
    """
    if "-{" not in text:
        return text
    open_parts: list[list[str]] = [[]]
    begin = 0
    for match in _TOKEN.finditer(text):
        token, end = match.group(), match.end()
        open_parts[-1].append(text[begin : match.start()])
        begin = end
        if token == "-{":
            open_parts.append([])
        elif len(open_parts) == 1:
            open_parts[-1].append(token)
        else:
            inner = "".join(open_parts.pop()) + token.removesuffix("}-")
            open_parts[-1].append(_shown(inner, variant=variant))
    open_parts[-1].append(text[begin:])
    return "-{".join("".join(parts) for parts in open_parts)


def _shown(inner: str, *, variant: str) -> str:
    """Return what the inside of -{…}- shows."""
    before, bar, after = inner.partition("|")
    if bar and (not before.strip() or _FLAGS.fullmatch(before)):
        flags = {flag.strip() for flag in before.split(";")}
        if flags & _SHOWN_NOTHING:
            return ""
        if "N" in flags:
            return after
        if "R" in flags or any(flag.lower() in VARIANTS for flag in flags):
            return after
        inner = after
    rules = [_RULE.fullmatch(part) for part in _NEXT_RULE.split(inner)]
    if not rules or rules[0] is None:
        return inner
    texts = {rule["variant"].lower(): _LAST_SEMICOLON.sub("", rule["text"]) for rule in rules if rule is not None}
    for name in (variant, *VARIANTS[variant], "zh"):
        if name in texts:
            return texts[name]
    source = rules[0]["source"]
    return source.strip() if source else next(iter(texts.values()))
