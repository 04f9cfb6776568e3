"""Where a run's numbers go: metrics.jsonl (the record), TensorBoard, on request W&B (to look at), the log, a bar."""

import json
import logging
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hubert_iter.train.wandb_board import WandbBoard

log = logging.getLogger(__name__)
FILE = "metrics.jsonl"


class Metrics:
    """Writes one process's numbers; a resumed run drops the rows past its checkpoint first."""

    def __init__(self, folder: Path, done: int, updates: int, wandb: WandbBoard | None = None):
        from torch.utils.tensorboard import SummaryWriter

        self.path = folder / FILE
        rows = []
        if self.path.is_file():
            rows = [
                row
                for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines()
                if (row := _parse(line)) and row["update"] <= done
            ]
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows))
        temporary.replace(self.path)
        self.file = self.path.open("a", buffering=1)
        self.board = SummaryWriter(folder / "tensorboard", purge_step=done + 1)
        self.wandb = wandb
        # On a terminal only: a log file would get a line per update that never ends.
        self.bar = tqdm(total=updates, initial=done, unit=" updates", smoothing=0.05, dynamic_ncols=True, disable=None)
        self.validations = [row for row in rows if row.get("split") == "valid"]

    def write(self, update: int, split: str, values: dict[str, float]) -> None:
        """Record the numbers of one moment."""
        row = {"update": update, "split": split, **{key: _short(value) for key, value in values.items()}}
        if split == "valid":
            self.validations.append(row)
        self.file.write(json.dumps(row) + "\n")
        named = {f"{split}/{key}": value for key, value in values.items()}
        for name, value in named.items():
            self.board.add_scalar(name, value, update)
        if self.wandb:
            self.wandb.add(split, named, update)
        shown = " ".join(f"{key} {_short(value)}" for key, value in values.items())
        with logging_redirect_tqdm():
            log.info("%s update %d: %s", split, update, shown)

    def advance(self, hours: float) -> None:
        """One update more on the bar, with the hours of audio seen."""
        self.bar.set_postfix(audio=f"{hours:.2f} h", refresh=False)
        self.bar.update()

    def close(self) -> None:
        """Flush everything."""
        self.bar.close()
        self.board.close()
        if self.wandb:
            self.wandb.close()
        self.file.close()


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _parse(line: str) -> dict | None:
    """A row, or None for the half line that a killed process may leave at the end, or a damaged one."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("update"), int) else None
