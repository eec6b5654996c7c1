"""The questions of `seqcli score`, a file a subject: read blocks, ask the models, write rows.

The arithmetic is in `scoring/` and `metrics/`; here rows get their columns, units and summaries.
"""
