"""The model card of an exported Hugging Face folder: all that somebody who gets the folder alone has to know.

https://huggingface.co/docs/hub/model-cards says what the front matter may hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hubert_iter import options, provenance
from hubert_iter.analysis.learning import GUESSES, learning
from hubert_iter.data import datadir
from hubert_iter.feats.normalise import NONE, kind_of
from hubert_iter.feats.source import sentence
from hubert_iter.frames import hours
from hubert_iter.report import markdown
from hubert_iter.report.read import read_metrics
from hubert_iter.report.section import Table
from hubert_iter.share import layer_scores
from hubert_iter.share.layer_scores import Curve
from hubert_iter.share.lineage import Network
from hubert_iter.train.config import TrainConfig
from hubert_iter.units.beside import OWN, Fitted

FULL = "cca"
"""The measure of which all layers are shown; of the others the best one."""


@dataclass(frozen=True)
class Told:
    """What only the user knows."""

    license: str
    language: Sequence[str] = ()
    datasets: Sequence[str] = ()
    note: str = ""
    """On the data, for readers."""


def make(
    usage: str, facts: Mapping[str, str], chain: Sequence[Network], fits: Sequence[Fitted],
    measures: Mapping[str, Path], metrics: Path | None, told: Told,
) -> str:  # fmt: skip
    """The whole card.

    `usage` and `facts` are the export's, `chain` begins with the model itself, `fits` are beside it, `measures` are
    folders of scores by the measure's name, `metrics` is its metrics.jsonl.
    """
    network = chain[0]
    sections = [
        _front_matter(network, told), f"# {facts['model']}", _summary(network, chain), usage.strip(), _units(fits),
        _data(network, told), _training(network, metrics), _teachers(chain), _layers(measures), _origin(network, facts),
    ]  # fmt: skip
    return "\n\n".join(section for section in sections if section) + "\n"


def _front_matter(network: Network, told: Told) -> str:
    kind = [] if network.objective == "none" else [network.objective]
    entries: dict[str, Any] = {
        "license": told.license,
        "language": list(told.language),
        "library_name": "transformers",
        "pipeline_tag": "feature-extraction",
        "tags": ["audio", "speech", "self-supervised", *kind, "hubert_iter"],
        "datasets": list(told.datasets),
    }
    known = {name: value for name, value in entries.items() if value}
    return f"---\n{yaml.safe_dump(known, default_flow_style=None, sort_keys=False)}---"


def _summary(network: Network, chain: Sequence[Network]) -> str:
    run = network.description.get("run") or {}
    size = network.description["model"]
    shape = f"{size['layers']} Transformer blocks of width {size['width']}, 50 frames a second of 16 kHz audio"
    if network.objective == "none":
        return f"A speech encoder with random weights, the baseline of a study: {shape}."
    labels = f"; its labels come from {_labels(network, chain[1:])}" if network.features else ""
    return (
        f"A speech encoder, pre-trained without transcripts: objective `{network.objective}`, iteration "
        f"{run.get('iteration', 1)} of pseudo-labels{labels}. {shape[0].upper()}{shape[1:]}."
    )


def _labels(network: Network, teachers: Sequence[Network]) -> str:
    """What labels were made of, in words."""
    features, classes = network.features, network.description.get("classes")
    if features["kind"] != "layer":
        return f"{classes} clusters of {sentence(dict(features))}"
    whose = f"`{teachers[0].name}`" if teachers else f"model {features['model'][:12]}"
    normalised = f", normalised by {features['normalise']}" if "normalise" in features else ""
    return f"{classes} clusters of layer {features['tap']} of {whose}{normalised}"


def _units(fits: Sequence[Fitted]) -> str:
    """The k-means beside the model, and how to label by one of its own layers."""
    if not fits:
        return ""
    rows = [[fit.path.name, fit.role, str(fit.k), sentence(fit.features), fit.id[:12]] for fit in fits]
    parts = ["## Units", markdown.table(Table("k-means beside the model, `centroids` [k, width]", [
        "file", "what it is to the model", "k", "features", "identity"
    ], rows))]  # fmt: skip
    # transformers does not give the convolutions' output by this way, and normalised features take more than a line.
    own = [fit for fit in fits if fit.role == OWN]
    plain = [fit for fit in own if fit.tap.isdigit() and kind_of(fit.features) == NONE]
    if plain:
        code = _UNITS.format(layer=plain[0].tap, file=plain[0].path.name)
        parts.append(f"Each frame's unit, after the code above:\n\n{code}")
    if own:
        parts.append(
            "Whole folders of audio, with hubert_iter: `python -m hubert_iter.bin.label --model FOLDER --audio AUDIO "
            "--out UNITS`."
        )
    return "\n\n".join(parts)


_UNITS = """\
```python
import numpy
import torch

centroids = torch.from_numpy(numpy.load("{file}")["centroids"])    # [k, width], from this folder
units = torch.cdist(layers[{layer}][0], centroids).argmin(dim=1)    # [frames]
```"""


def _data(network: Network, told: Told) -> str:
    lines = []
    if network.data:
        data = datadir.read(network.data)
        lines.append(
            f"Trained on {hours(sum(each.num_samples for each in data.utterances)):,.2f} hours of speech, "
            f"{len(data):,} utterances of {len(data.speakers):,} speakers (`{network.data.name}`)."
        )
    elif network.objective != "none":
        lines.append("The training data are no longer where they were: hours and speakers are not known.")
    if told.datasets:
        lines.append(f"Corpus: {', '.join(told.datasets)}.")
    if told.note:
        lines.append(told.note)
    return "\n\n".join(["## Data", *lines]) if lines else ""


def _training(network: Network, metrics: Path | None) -> str:
    """Whether it has learnt, and all values."""
    if network.objective == "none":
        return ""
    description = network.description
    parts = ["## Training"]
    if metrics and (found := learning(network.name, read_metrics(metrics))):
        shown = "has been shown to use context" if found.uses_context else "has NOT been shown to use context"
        guess = f" ({GUESSES[found.guess_name]})" if found.guess_name in GUESSES else ""
        parts.append(
            f"On held-out speech, at update {found.update:,}, it names {100 * found.accuracy:.1f} % of masked frames "
            f"rightly; the best guess without a network{guess} {100 * found.guess:.1f} %, to be exceeded by "
            f"{100 * found.margin:.1f} %. So it {shown}."
        )
    silent = options.silent(TrainConfig)
    updates = {"updates": description.get("updates", 0), "seed": (description.get("run") or {}).get("seed")}
    for title, values in {
        "Training": {**updates, **(description.get("train") or {})},
        "Objective": description["objective"],
        "Encoder": description["model"],
    }.items():
        rows = [[name, str(value)] for name, value in values.items() if value is not None and name not in silent]
        parts.append(markdown.table(Table(title, ["option", "value"], rows)))
    return "\n\n".join(parts)


def _teachers(chain: Sequence[Network]) -> str:
    if chain[0].objective == "none":
        return ""
    rows = []
    for place, network in enumerate(chain):
        labels = _labels(network, chain[place + 1 :]) if network.features else "none, or no longer there"
        updates = network.description.get("updates")
        rows.append([network.name, network.objective, str(updates or "?"), labels.replace("`", ""), network.id[:12]])
    header = ["network", "objective", "updates", "labels", "identity"]
    return "## Chain of teachers\n\n" + markdown.table(Table("From this model to its first labels", header, rows))


def _layers(measures: Mapping[str, Path]) -> str:
    if not measures:
        return ""
    full = layer_scores.read({name: folder for name, folder in measures.items() if name == FULL})
    rest = layer_scores.read({name: folder for name, folder in measures.items() if name != FULL})
    parts = ["## What the layers hold"]
    for title, curves in full.items():
        parts.append(
            f"{title}: {curves[0].metric.label}, with 95 % intervals over trials and evaluation speakers of this one "
            "network. Compare layers, not columns."
        )
        parts.append(markdown.table(_all_layers(curves)))
    rows = [
        [title, curve.prop, curve.metric.label, str(curve.best), curve.cell(curve.best)]
        for title, curves in rest.items()
        for curve in curves
    ]
    if rows:
        header = ["measure", "property", "score", "best layer", "there"]
        parts.append(markdown.table(Table("Other measures", header, rows)))
    return "\n\n".join(parts)


def _all_layers(curves: Sequence[Curve]) -> Table:
    """Layers down, properties across; each one's best layer is stressed."""
    count = len(curves[0].layers)
    rows = [[str(layer), *(curve.cell(layer) for curve in curves)] for layer in range(count)]
    if any(curve.control is not None for curve in curves):
        controls = ("" if curve.control is None else f"{curve.control:.3f}" for curve in curves)
        rows.append([curves[0].metric.control_label, *controls])
    best = frozenset((curve.best, column) for column, curve in enumerate(curves, start=1))
    told = ", ".join(f"{curve.prop} {curve.best}" for curve in curves)
    return Table(f"Best layers: {told}", ["layer", *(curve.prop for curve in curves)], rows, best)


def _origin(network: Network, facts: Mapping[str, str]) -> str:
    """Facts as a list, one a line: name and value."""
    facts = dict(facts)
    if (network.folder / provenance.FILE_NAME).is_file():
        record = provenance.read(network.folder)
        facts["trained with"] = f"hubert_iter {record.get('version')}"
        facts |= {f"identity of its {name}": given["id"] for name, given in record["inputs"].items()}
    return "## Provenance\n\n" + "\n".join(f"- {name}: {value}" for name, value in facts.items())
