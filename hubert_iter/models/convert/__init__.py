"""Our models in the layouts of Hugging Face, torchaudio and fairseq, and checkpoints in those layouts read safely."""
