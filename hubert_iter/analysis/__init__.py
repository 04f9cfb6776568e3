"""What is scored of the layers, the measures that score it, and what may be concluded; agreement of label sets."""
