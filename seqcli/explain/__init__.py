"""What a model does with a text, one view a file: each gives a typed result (`results/inside.py`) of an opened model.

A view that a model cannot have raises UsageError. Networks are asked in float32, on the processor, as they are opened.
"""
