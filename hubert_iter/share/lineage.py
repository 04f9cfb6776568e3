"""Where a model comes from, read from provenance: its data, its labels, and its teachers down to the first.

Each folder's record names what it was made from, by path and content. An input that is no longer there, or no longer as
it was, is not taken: then less is known, and nothing wrong is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.config import read_yaml
from hubert_iter.errors import UserError
from hubert_iter.models.settings import DESCRIPTION

MOST = 1000
"""Networks of a chain: legs of refreshed runs count."""


@dataclass(frozen=True)
class Network:
    """One model of the chain."""

    folder: Path
    id: str
    description: Mapping
    """Its model.yaml; {} of a model from elsewhere."""
    features: Mapping | None = None
    """What its labels were made from, as FeatureSource.describe has it; None where there are none, or they are gone."""
    kmeans: Path | None = None
    """The folder of the k-means that made its labels."""
    data: Path | None = None
    """Its training data."""

    @property
    def name(self) -> str:
        """The run's name, or the folder's where it was made elsewhere."""
        run = self.description.get("run") or {}
        return run.get("name") or self.folder.resolve().name

    @property
    def objective(self) -> str:
        """By name; "none" of random weights."""
        return (self.description.get("objective") or {}).get("name", "none")


def chain(model: Path) -> list[Network]:
    """The model, its teacher, that one's teacher and so on, as far as they are still there."""
    found: list[Network] = []
    place: Path | None = Path(model)
    while place is not None and len(found) < MOST:
        network, place = _network(place)
        found.append(network)
    return found


def _network(folder: Path) -> tuple[Network, Path | None]:
    """A model, and where its teacher is."""
    description = read_yaml(folder / DESCRIPTION) if (folder / DESCRIPTION).is_file() else {}
    id = provenance.identity(folder)
    if not description or not (folder / provenance.FILE_NAME).is_file():
        return Network(folder, id, description), None
    data, labels = (_input(folder, name) for name in ("data", "labels"))
    if labels is None:
        return Network(folder, id, description, data=data), None
    features = provenance.read(labels)["settings"].get("features")
    network = Network(folder, id, description, features, _input(labels, "kmeans"), data)
    return network, _input(labels, "model")


def _input(folder: Path, name: str) -> Path | None:
    """What a folder was made from, if it is still there as it was then."""
    given = provenance.read(folder)["inputs"].get(name)
    if given is None:
        return None
    path = Path(given["path"])
    try:
        return path if path.exists() and provenance.identity(path) == given["id"] else None
    except UserError:  # damaged: no reason to stop an export of what it was made into
        return None
