"""Write a trained model in another library's format."""

from pathlib import Path

from hubert_iter import __version__, provenance
from hubert_iter.models import store
from hubert_iter.models.convert import FAIRSEQ, HUGGINGFACE, TORCHAUDIO, fairseq, huggingface, torchaudio
from hubert_iter.models.objective import Objective

_WRITERS = {HUGGINGFACE: huggingface.write, TORCHAUDIO: torchaudio.write, FAIRSEQ: fairseq.write}


def export(model_dir: Path, name: str, folder: Path) -> tuple[str, dict[str, str]]:
    """Write the model into `folder`; returns what its README is to say, and facts that distinguish the model.

    A README for torchaudio or fairseq is complete, for Hugging Face it is the part on loading of a model card.
    """
    model = store.read(model_dir)
    facts = _facts(model_dir, model.objective)
    return _WRITERS[name](folder, model, facts), facts


def _facts(model_dir: Path, objective: Objective | None) -> dict[str, str]:
    """What the README lists. `configuration` is a file of conf/objective; several may set one objective."""
    description = store.describe(model_dir)
    run = description.get("run") or {}
    updates = description.get("updates", 0)
    facts = {"model": run.get("name") or Path(model_dir).resolve().parent.name}
    if objective and updates:
        facts |= {"objective": objective.settings.name, "configuration": run.get("objective"), **objective.facts()}
    else:
        facts["objective"] = "none: random weights"
    facts |= {
        "targets": run.get("targets"),
        "clusters": run.get("k"),
        "updates": updates,
        "identity": provenance.identity(model_dir),
        "made with": f"hubert_iter {__version__}",
    }
    return {name: str(value) for name, value in facts.items() if value is not None}
