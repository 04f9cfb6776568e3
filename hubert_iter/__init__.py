"""Pre-train HuBERT, contrastive HuBERT and wav2vec 2.0 over iterations of pseudo-labels, and measure their layers."""

__version__ = "0.1.0"
