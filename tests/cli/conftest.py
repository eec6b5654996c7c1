"""Fixtures of several files here."""

from small_classifiers import bag, places, texts  # noqa: F401
