"""Formats of other tools. `formats/` has one file for each; the other folders have what a large one consists of."""
