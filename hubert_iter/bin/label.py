"""Label any audio by units: a folder of files, a wav.scp or a data directory, with a model and the k-means beside it.

The model is an exported Hugging Face folder or a run's model. Each frame's unit is its nearest centroid, 50 a second.
"""

import logging
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.data import any_audio
from hubert_iter.errors import UserError
from hubert_iter.feats import normalise
from hubert_iter.feats.any_source import AnySource, place
from hubert_iter.feats.baselines import BASELINES, TAP
from hubert_iter.frames import FRAME_RATE
from hubert_iter.provenance import Product
from hubert_iter.units import beside

TEXT, ARK = "text", "ark"


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument(
        "--model", required=True, help="an exported Hugging Face folder, a run's model, or as pool_layers has it"
    )
    parser.add_argument(
        "--kmeans", type=Path, help="folder that fit_kmeans made, or a file of centroids; none: the one beside the "
        "model that is of its own layer",
    )  # fmt: skip
    parser.add_argument("--tap", default="", help="layer; only needed where the k-means does not say it")
    cli.add_audio(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--format", choices=(TEXT, ARK), default=TEXT,
        help="text: units.txt, Kaldi's text, an utterance a line; ark: labels.ark and labels.scp, int vectors",
    )  # fmt: skip
    parser.add_argument(
        "--dedup", type=cli.true_or_false, default=False,
        help="write a unit that lasts for several frames once; durations.txt (or .ark) has the frames",
    )  # fmt: skip
    cli.add_gpu(parser)
    args = parser.parse_args(argv)

    found = any_audio.find(args.audio)
    fitted = beside.choose(args.model, args.kmeans, args.tap)
    features = fitted.features or {"kind": "layer", "tap": args.tap}
    kind = normalise.kind_of(features)
    if kind.startswith("speaker") and any(each.speaker == any_audio.NO_SPEAKER for each in found.utterances):
        raise UserError(
            f"{args.audio}: the k-means is of features normalised by speaker, and nothing says who speaks. Give a data "
            "directory with utt2spk"
        )
    model, tap = _model(args.model, features)
    settings = {
        "format": args.format, "dedup": args.dedup, "resample": args.resample, "audio": found.state, "rate": FRAME_RATE,
        "k": fitted.k, "features": features,
    }  # fmt: skip
    inputs = {"kmeans": fitted.path} | ({} if model in BASELINES else {"model": place(model)})
    product = Product(args.out, "label", settings, inputs)
    if product.done():
        return

    from hubert_iter.units import foreign_kmeans, written

    data, short = any_audio.measure(found, args.resample)
    source = AnySource(model, tap, data, "cuda" if args.gpu else "cpu")
    if kind != normalise.NONE:
        source = normalise.NormalisedSource(source, kind, data)
    centroids = foreign_kmeans.read(fitted.path)
    with product.writing() as work:
        any_audio.write_facts(work, data, short)
        written.write(source, data, centroids, work, args.out, args.format == ARK, args.dedup)


def _model(model: str, features: dict) -> tuple[str, str]:
    """What gives the features that the k-means is of: the model's tap, or MFCC without any model."""
    if features["kind"] == "layer":
        return model, features["tap"]
    if features["kind"] == "mfcc":
        plain = {name: value for name, value in features.items() if name != "normalise"}
        if plain == BASELINES["mfcc"].settings:
            logging.info("units of MFCC: no model is run")
            return "mfcc", TAP
    raise UserError(f"a k-means of {features}: these features are made by no model here. Label by make_labels")


if __name__ == "__main__":
    cli.run(main)
