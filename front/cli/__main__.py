"""``python -m front.cli``: the command, for processes that start others of this product."""

from front.cli import main

main()
