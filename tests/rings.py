"""How much a test does, by the ring that it is run in.

``make test`` runs what is not marked ``long``; ``make test-long`` runs what is marked ``long`` or ``deeper``.
A test marked ``deeper`` is in both and takes its counts from here; Hypothesis tests are marked so by themselves.
"""

import os

KILLS = int(os.environ.get("KAKEHASHI_KILLS", "20"))
"""How many sudden deaths a test deals out, or a share of them where each death costs much."""

FUZZ = int(os.environ.get("KAKEHASHI_FUZZ", "5000"))
"""How many mutants a reader is given."""

EXAMPLES = max(100, FUZZ // 50)
"""How many examples Hypothesis tries of a law."""
