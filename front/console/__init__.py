"""The centre's pages: what is done and what is unusual, offices and officers, and what auditors look through.

Read access (who sees what), figures and plots (the numbers and their pictures), then the pages: dashboard, offices,
officers; journal_search, stories and audit for auditors; room puts them together.
"""
