"""What a run is trained on. Imports none of the libraries that training needs."""

from dataclasses import dataclass
from pathlib import Path

from hubert_iter.errors import UserError
from hubert_iter.runs import BEST, Run


@dataclass(frozen=True)
class Inputs:
    """Folders; no labels for an objective that makes its own targets."""

    data: Path
    valid_data: Path
    labels: Path | None = None
    valid_labels: Path | None = None
    teacher_model: Path | None = None
    """The model whose layer the labels come from; none for MFCC labels."""
    teacher_tap: str | None = None
    """Its layer that was chosen, where the study says best."""
    init_model: Path | None = None
    continues: Path | None = None
    """The run's leg before this one: its folder, of which the checkpoints are read."""
    old_labels: Path | None = None
    """That leg's labels of `data`, where the head is kept."""

    def check_tap(self, run: Run) -> None:
        """Refuse a teacher's layer that is not the study's, and a missing one where the study leaves it open."""
        wanted = run.tap != BEST if self.teacher_tap is None else run.tap in (BEST, self.teacher_tap)
        if not wanted:
            raise UserError(
                f"run {run.name}: the study says targets: {run.targets}, found --teacher_tap {self.teacher_tap}. With "
                "@best give the layer that choose_layer has named, else none or the study's"
            )

    def check_legs(self, run: Run) -> None:
        """Refuse a leg without what it goes on from, and the like where there is nothing to go on from."""
        for name, wanted in {"continues": bool(run.continues), "old_labels": run.keeps_head}.items():
            if wanted != bool(getattr(self, name)):
                raise UserError(
                    f"run {run.name}: expected {'' if wanted else 'no '}--{name}. A leg of a run with refresh needs "
                    "the folder of the leg before, and with head: match that leg's labels"
                )

    def shaping(self) -> dict[str, Path]:
        """The inputs that shape the trained weights."""
        named = {
            "data": self.data, "labels": self.labels, "init_model": self.init_model,
            "continues": self.continues and self.continues / "model", "old_labels": self.old_labels,
        }  # fmt: skip
        return {name: path for name, path in named.items() if path is not None}
