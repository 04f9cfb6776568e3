"""Our models in the layouts of Hugging Face, torchaudio and fairseq, and checkpoints in those layouts read safely."""

HUGGINGFACE, TORCHAUDIO, FAIRSEQ = FORMATS = ("huggingface", "torchaudio", "fairseq")
"""What a model may be exported as."""
