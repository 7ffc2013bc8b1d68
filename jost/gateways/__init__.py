"""The world outside, for demos and tests: small servers that take what JOST sends, and who calls them.

`server` is the other side: a process of its own that knows nothing of Django, keeps a record of
every effect, and can be told to be slow, to fail, to refuse or to lose its answer. `clients` is
JOST's side of it.
"""
