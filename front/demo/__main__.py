"""``python -m front.demo``."""

from front.demo.nation import demo

demo()
