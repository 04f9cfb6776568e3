"""What a run is trained on. Imports none of the libraries that training needs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Inputs:
    """Folders; no labels for an objective that makes its own targets."""

    data: Path
    valid_data: Path
    labels: Path | None = None
    valid_labels: Path | None = None
    teacher_model: Path | None = None
    """The model whose layer the labels come from; none for MFCC labels."""
    init_model: Path | None = None

    def shaping(self) -> dict[str, Path]:
        """The inputs that shape the trained weights."""
        named = {"data": self.data, "labels": self.labels, "init_model": self.init_model}
        return {name: path for name, path in named.items() if path is not None}
