"""A run's numbers at Weights & Biases, beside TensorBoard, where the user asks for it.

Names and values are TensorBoard's. A resumed training goes on with the same W&B run, whose id is kept in the run's
folder; what that run has been told already is not told again, since it cannot be taken back there.
"""

import importlib.util
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from hubert_iter.errors import UserError

FILE = "wandb.json"
"""In the run's folder: which W&B run it is, and the last update of each split that it was told of."""


def check(project: str) -> None:
    """Refuse, before anything is trained, a project that cannot be written to here: UserError."""
    if not project.strip() or set(project) & set("/\\#?%:"):
        raise UserError(f"--wandb: expected the name of a project, without any of /\\#?%:, found '{project}'")
    if importlib.util.find_spec("wandb") is None:
        raise UserError(
            f"--wandb {project}: wandb is not installed. Install it: pip install wandb, or leave --wandb out"
        )


class WandbBoard:
    """One training's place at W&B; the first process alone has one."""

    def __init__(self, folder: Path, project: str, config: Mapping):
        """Begin the W&B run, or go on with it. `config` is the run's, in sections; UserError where W&B refuses."""
        import wandb

        self._path = folder / FILE
        self._state = _read(self._path) or {"id": secrets.token_hex(8), "told": {}}
        self._told = dict(self._state["told"])
        run = config["run"]
        try:
            self._run = wandb.init(
                project=project, name=run["name"], group=run.get("condition"), dir=str(folder), id=self._state["id"],
                resume="allow", config=dict(config), settings=wandb.Settings(console="off"),
            )  # fmt: skip
        except wandb.errors.Error as error:
            raise UserError(
                f"--wandb {project}: W&B does not begin a run ({str(error).strip().splitlines()[0]}). Log in by `wandb "
                "login`, or set WANDB_MODE=offline and upload later by `wandb sync`"
            ) from None
        # Rows of training and validation come at their own updates; W&B's own count of calls means nothing.
        self._run.define_metric("update")
        self._run.define_metric("*", step_metric="update")

    def add(self, split: str, values: Mapping[str, float], update: int) -> None:
        """Numbers of one moment of training or validation (`split`), by the names that TensorBoard shows."""
        if update <= self._told.get(split, 0):
            return
        self._run.log({**values, "update": update})
        self._state["told"][split] = update
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._state) + "\n")
        temporary.replace(self._path)

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()


def _read(path: Path) -> dict | None:
    """None where there is no such file yet, or a damaged one: then a new W&B run is begun."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    sound = isinstance(state, dict) and isinstance(state.get("id"), str) and isinstance(state.get("told"), dict)
    return state if sound else None
