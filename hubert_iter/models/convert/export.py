"""Write a trained model in another library's format."""

from pathlib import Path

from hubert_iter import __version__, provenance
from hubert_iter.models import store
from hubert_iter.models.convert import fairseq, huggingface, torchaudio
from hubert_iter.models.pretrainer import Pretrainer

FORMATS = {"huggingface": huggingface.write, "torchaudio": torchaudio.write, "fairseq": fairseq.write}


def export(model_dir: Path, name: str, folder: Path) -> None:
    """Write the model into `folder`, with a README that says how to load it and what it is."""
    description = store.describe(model_dir)
    model = store.read(model_dir)
    objective = str(description["objective"].get("name"))
    readme = FORMATS[name](folder, model, objective, _facts(model_dir, description, model))
    (folder / "README.md").write_text(readme)


def _facts(model_dir: Path, description: dict, model: Pretrainer) -> dict[str, str]:
    """What the README lists. The configuration is that of conf/objective, of which several share an objective."""
    run = description.get("run") or {}
    updates = description.get("updates", 0)
    trained = {
        "objective": description["objective"].get("name"),
        "configuration": run.get("objective"),
        # Of the model itself: a configuration may leave them to their defaults. Only HuBERT's objective has them.
        "weight of masked frames": getattr(model.objective, "masked_weight", None),
        "weight of unmasked frames": getattr(model.objective, "unmasked_weight", None),
    }
    facts = {
        "model": str(run.get("name") or Path(model_dir).resolve().parent.name),
        **(trained if updates else {"objective": "none: random weights"}),
        "targets": run.get("targets"),
        "clusters": run.get("k"),
        "updates": updates,
        "identity": provenance.identity(model_dir),
        "made with": f"hubert_iter {__version__}",
    }
    return {name: str(value) for name, value in facts.items() if value is not None}
