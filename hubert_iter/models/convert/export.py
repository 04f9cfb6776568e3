"""Write a trained model in another library's format."""

from pathlib import Path

from hubert_iter import __version__, provenance
from hubert_iter.models import store
from hubert_iter.models.convert import fairseq, huggingface, torchaudio

FORMATS = {"huggingface": huggingface.write, "torchaudio": torchaudio.write, "fairseq": fairseq.write}


def export(model_dir: Path, name: str, folder: Path) -> None:
    """Write the model into `folder`, with a README that says how to load it and what it is."""
    description = store.describe(model_dir)
    objective = str(description["objective"].get("name"))
    readme = FORMATS[name](folder, store.read(model_dir), objective, _facts(model_dir, description, objective))
    (folder / "README.md").write_text(readme)


def _facts(model_dir: Path, description: dict, objective: str) -> dict[str, str]:
    run = description.get("run") or {}
    updates = description.get("updates", 0)
    facts = {
        "model": str(run.get("name") or Path(model_dir).resolve().parent.name),
        "objective": objective if updates else "none: random weights",
        "targets": run.get("targets"),
        "clusters": run.get("k"),
        "updates": updates,
        "identity": provenance.identity(model_dir),
        "made with": f"hubert_iter {__version__}",
    }
    return {name: str(value) for name, value in facts.items() if value is not None}
