"""What outsiders may hold against a world's word.

Read in this order: receipts (what is promised), sights (what is public), receipt_checks (whether the promise was kept),
watch (what changes between two looks), naming (which list said it first), story (one certificate's life, for an auditor).
"""
