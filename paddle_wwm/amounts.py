"""Amounts as people read them: times and numbers of bytes or characters."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """Return a time for people, such as 20 min."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:,.1f} days" if seconds < 1000 * 86400 else f"{seconds / 86400 / 365:,.0f} years"


def short_number(number: float) -> str:
    """Return a number with at least three digits and its unit: 1234567 -> "1.23 M"."""
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            scaled = number / factor
            return f"{scaled:.0f} {unit}" if scaled >= 100 else f"{scaled:.3g} {unit}"
    return f"{number:.0f}"


def size_text(num_bytes: float) -> str:
    """Return a number of bytes with its unit: 1234567 -> "1.23 MB"."""
    return f"{short_number(num_bytes)}B" if num_bytes >= 1000 else f"{num_bytes:.0f} B"
