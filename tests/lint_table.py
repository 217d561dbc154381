"""The table of lint's rules in docs/lint.md. ``python -m tests.lint_table`` writes it anew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ca.lint import certificates, lists
from ca.lint.rules import Rule

PAGE = Path(__file__).parent.parent / "docs" / "lint.md"
BOOKS: dict[str, Iterable[Rule[Any]]] = {
    "Certificates": certificates.RULES,
    "Lists": lists.RULES,
    "Entries of lists": lists.ENTRY_RULES,
}
MARK = "\n<!-- the rest is written by tests/lint_table.py -->\n"


def table() -> str:
    """Each rule with its source and what holds where it is kept."""
    parts = []
    for title, rules in BOOKS.items():
        rows = [f"| `{rule.id}` | {rule.clause} | {rule.sentence} |" for rule in rules]
        head = [f"## {title}", "", "| rule | source | what holds |", "|---|---|---|"]
        parts.append("\n".join([*head, *rows, ""]))
    return "\n".join(parts)


def main() -> None:
    """Write it."""
    text, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{text}{MARK}\n{table()}", encoding="utf-8")


if __name__ == "__main__":
    main()
