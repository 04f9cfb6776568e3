"""k-means that lie beside an exported model, with what they were fitted on; and which k-means labels what.

An exported folder has `kmeans.json`: for each k-means its file (the one that fit_kmeans wrote), what it is to the model
and the features that it was fitted on. So a folder that was moved to another machine still says which units are whose.
"""

import json
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.errors import UserError
from hubert_iter.feats.any_source import place
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.feats.source import sentence

FILE_NAME = "kmeans.json"
FITTED = "kmeans.npz"
"""What fit_kmeans writes, and the name beside a model of the k-means that it was trained on."""
TEACHER, OWN = "trained on", "own layer"
"""What a k-means is to the model that it lies beside."""
CONFIG, KEY = "config.json", "hubert_iter"
"""Where an exported folder says which model it is: config.json, under this key."""


@dataclass(frozen=True)
class Fitted:
    """A k-means and what it is of."""

    path: Path
    """The file of centroids."""
    role: str = ""
    """TEACHER or OWN of the model beside it; "" where it lies elsewhere."""
    k: int | None = None
    features: dict | None = None
    """As FeatureSource.describe has them; None for somebody's own file, which does not say."""
    id: str = ""
    """Of the folder that fit_kmeans made."""

    @property
    def tap(self) -> str:
        """The layer; "" for other features."""
        return self.features["tap"] if self.features and self.features["kind"] == "layer" else ""

    def sentence(self) -> str:
        """For lists: file and features."""
        return f"{self.path.name} (k = {self.k}, of {sentence(self.features)})"


def read_fit(folder: Path, role: str = "") -> Fitted:
    """A folder that fit_kmeans made."""
    record = provenance.read(folder)
    if record["command"] != "fit_kmeans" or not {"k", "features"} <= record["settings"].keys():
        raise UserError(
            f"{folder}: expected a k-means made by fit_kmeans, found the output of {record['command']}. Name such a "
            "folder, or a file of centroids and its layer by --tap"
        )
    settings = record["settings"]
    return Fitted(Path(folder) / FITTED, role, settings["k"], settings["features"], record["id"])


def own_fits(units: Path, model: str) -> list[Path]:
    """Of a study's label sets (dump/<study>/units) the k-means fitted on a layer of the model of this identity."""
    found = []
    for record in sorted(Path(units).glob(f"*/kmeans/{provenance.FILE_NAME}")):
        features = provenance.read(record.parent)["settings"].get("features", {})
        if features.get("kind") == "layer" and features.get("model") == model:
            found.append(record.parent)
    return found


def write(folder: Path, teacher: Path | None, own: Sequence[Path]) -> list[Fitted]:
    """Put k-means, folders that fit_kmeans made, beside the model in `folder`, and kmeans.json; returns what is there.

    UserError where two of them would get one name.
    """
    fits = [(FITTED, read_fit(teacher, TEACHER))] if teacher else []
    fits += [(_name(path), read_fit(path, OWN)) for path in own]
    placed: list[Fitted] = []
    for name, fit in fits:
        if (folder / name).exists():
            raise UserError(f"{fit.path}: another k-means is beside the model as {name} already. Name one of the two")
        shutil.copyfile(fit.path, folder / name)
        placed.append(Fitted(folder / name, fit.role, fit.k, fit.features, fit.id))
    if placed:
        entries = [
            {"file": fit.path.name, "role": fit.role, "k": fit.k, "features": fit.features, "id": fit.id}
            for fit in placed
        ]
        (folder / FILE_NAME).write_text(json.dumps({"kmeans": entries}, indent=1) + "\n")
    return placed


def _name(path: Path) -> str:
    """Of the label set RUN@6_k500 kmeans_layer6_k500.npz; of another folder its name."""
    name, at, layer = path.resolve().parent.name.partition("@")
    words = f"layer{layer}" if at else name
    return f"kmeans_{re.sub(r'[^\w.+-]', '_', words)}.npz"


def read(folder: Path) -> list[Fitted]:
    """The k-means beside a model; [] where there are none."""
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["kmeans"]
        return [
            Fitted(path.parent / Path(each["file"]).name, each["role"], each["k"], dict(each["features"]), each["id"])
            for each in entries
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not what export writes ({error!r}). Export the model again (stage 12)") from None


def identities(model: Path) -> set[str]:
    """By which identities k-means may name a model: its own, and that of the model that it was exported from."""
    found = {provenance.identity(model)}
    config = model / CONFIG
    if config.is_file():
        # Another library's folder does not say; whether it is JSON at all its own library will say.
        with suppress(ValueError, KeyError, TypeError):
            found.add(json.loads(config.read_text(encoding="utf-8"))[KEY]["model"])
    return found


def choose(model: str | Path, kmeans: Path | None, tap: str) -> Fitted:
    """The k-means to label with: `kmeans` (a folder of fit_kmeans or a file), or that beside the model.

    UserError where it is not told, or is of other features than the model's `tap` ("" leaves that to the k-means).
    """
    fitted = _of_file(kmeans) if kmeans else _beside(model, tap)
    if fitted.features is None:
        if not tap:
            raise UserError(
                f"{kmeans}: a file of centroids that does not say of which layer they are: name it by --tap, or give "
                "the folder that fit_kmeans made"
            )
        return fitted
    if tap and tap != fitted.tap:
        raise UserError(f"--tap {tap}: but {fitted.path} is of {sentence(fitted.features)}. Leave --tap out")
    if fitted.tap and (str(model) in BASELINES or fitted.features["model"] not in identities(place(model))):
        raise UserError(
            f"{fitted.path}: of {sentence(fitted.features)}, which is another model than {model}. Give the model that "
            "it was fitted on, or a k-means of this one"
        )
    return fitted


def _of_file(path: Path) -> Fitted:
    if path.is_dir():
        return read_fit(path)
    for fitted in read(path.parent):
        if fitted.path.name == path.name:
            return fitted
    if path.name == FITTED and (path.parent / provenance.FILE_NAME).is_file():
        return read_fit(path.parent)
    return Fitted(path)


def _beside(model: str | Path, tap: str) -> Fitted:
    """The k-means of the model's own layer: its teacher's says nothing of what the model has learnt."""
    there = read(place(model))
    own = [fitted for fitted in there if fitted.role == OWN and tap in ("", fitted.tap)]
    if len(own) == 1:
        return own[0]
    if own:
        raise UserError(
            f"{model}: has {len(own)} k-means: {', '.join(map(Fitted.sentence, own))}. Name one by --kmeans"
        )
    what = f"of its layer {tap}" if tap else "of a layer of its own"
    others = f", only {', '.join(map(Fitted.sentence, there))}, to be named by --kmeans" if there else ""
    raise UserError(
        f"{model}: no k-means {what} lies beside it{others}. Give one by --kmeans, or fit it: python -m "
        "hubert_iter.bin.fit_kmeans --model MODEL --tap TAP --k K --data DATA --out FOLDER"
    )
