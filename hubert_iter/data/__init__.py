"""Data directories, audio, alignments, and the batches that training reads."""
