"""Corpora: from a corpus as published, or made here, to data directories."""
