"""Hand a network's error rates and layer weights to the study's report, as a measure of its layers."""

import hashlib
import json
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.analysis import scores
from hubert_iter.analysis.measure import Scored
from hubert_iter.analysis.measures import recognition
from hubert_iter.analysis.pool import Layers
from hubert_iter.asr import scoring, tokens
from hubert_iter.bin import cli
from hubert_iter.models.settings import DESCRIPTION
from hubert_iter.provenance import Product

PROPERTY = {tokens.PHONE: "phone", tokens.CHARACTER: "character", tokens.SUBWORD: "word"}
"""Unit of a recogniser -> what its layer weights are said to be for."""


def main(argv=None) -> None:
    """Write scores.tsv and speakers.tsv, as stage 9 of ssl.sh does for other measures."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--name", required=True, help="the run's name in scores and figures")
    parser.add_argument("--model", required=True, help="the network, as asr_train had it")
    parser.add_argument("--unit", required=True, choices=tokens.UNITS, help="what is recognised")
    parser.add_argument("--recogniser", type=Path, required=True, help="folder made by asr_train")
    parser.add_argument("--errors", type=Path, required=True, help="folder made by asr_score")
    parser.add_argument("--settings", nargs="+", default=[], help="what all that are compared share: NAME=VALUE ...")
    parser.add_argument("--out", type=Path, required=True, help="folder to write: .../measures/recognition.VARIANT")
    args = parser.parse_args(argv)
    settings = {name: str(value) for name, value in cli.named_folders("--settings", args.settings, "VALUE").items()}
    settings |= {"measure": "recognition", "run": args.name, "unit": args.unit}
    settings |= {"made_from": made_from(args.recogniser, args.errors)}
    inputs = {"recogniser": args.recogniser, "errors": args.errors}
    product = Product(args.out, "asr_measure", settings, inputs)
    if product.done():
        return
    from hubert_iter.asr.weights import read_weights

    weights = read_weights(args.recogniser)
    rows, speakers = [], []
    for what, by_speaker in scoring.read(args.errors).items():
        # Subword units count words and characters, but have one set of weights.
        shown = weights if what == PROPERTY[args.unit] and len(weights) > 1 else {}
        found = recognition.scored(what, *scoring.rates(by_speaker), shown)
        rows += found.rows
        speakers += found.speakers
    network = Layers(args.out, (), updates_of(args.model), args.name)
    with product.writing() as work:
        scores.write(work, network, Scored(rows, speakers))


def made_from(recogniser: Path, errors: Path) -> str:
    """A hash of what recognisers that are compared share: configuration, data and tokens, all but the network."""
    trained, scored = provenance.read(recogniser), provenance.read(errors)
    inputs = [
        {name: given["id"] for name, given in record["inputs"].items() if name not in ("model", "decoded")}
        for record in (trained, scored)
    ]
    shared = json.dumps([trained["settings"].get("config"), *inputs], sort_keys=True)
    return hashlib.sha256(shared.encode()).hexdigest()[:12]


def updates_of(model: str) -> int:
    """Updates of training; 0 for a baseline or a network from elsewhere."""
    if not (Path(model) / DESCRIPTION).is_file():
        return 0
    from hubert_iter.models import store

    return store.describe(model).get("updates", 0)


if __name__ == "__main__":
    cli.run(main)
