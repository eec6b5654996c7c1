"""Views of how a model processes a text, one per file; each returns a typed result (`results/views.py`) for an opened model.

A view raises UsageError for a model to which it does not apply. Networks run in float32 on the CPU, as they are opened.
"""
