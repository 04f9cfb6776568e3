"""Canonical correlation of layers with phones, words and speakers; agreement of label sets."""
