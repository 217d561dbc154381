"""What people are told of a verdict, and what they may take away.

Policy_levels and policy_graph, noting (what was looked at), explaining (every candidate and what ended it); words and
clauses (both languages), drawing; check_script, bundle_file and bundle (a verdict as files that OpenSSL repeats).
"""
