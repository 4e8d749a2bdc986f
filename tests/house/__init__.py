"""The checks that keep the house: turn the source tree into findings.

Never change a file, never look outside the tree.
Rules: docs/testing.md, "Lint".
"""
