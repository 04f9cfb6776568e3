"""Write the features of any audio: a model's layers, or MFCC or log-mel bands, 50 frames a second.

Audio is a folder of files, a wav.scp or a data directory; the model a run's, a Hugging Face folder or hub name, a
torchaudio bundle or state dict, a fairseq checkpoint, or mfcc or logmel.
"""

from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.data import any_audio
from hubert_iter.feats import any_source
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.provenance import Product

NPZ, ARK = "npz", "ark"


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--model", required=True, help="whose layers, see above")
    cli.add_audio(parser)
    parser.add_argument(
        "--taps", nargs="*", default=[], help="conv, 0 (before the first block) and blocks' numbers; none: all of them"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--format", choices=(NPZ, ARK), default=NPZ,
        help="npz: a file per utterance, an array per tap; ark: a folder per tap with Kaldi's feats.ark and feats.scp",
    )  # fmt: skip
    cli.add_gpu(parser)
    args = parser.parse_args(argv)

    found = any_audio.find(args.audio)
    settings = {
        "format": args.format, "taps": args.taps or "all", "resample": args.resample, "audio": found.state
    }  # fmt: skip
    inputs = {}
    if args.model in BASELINES:
        settings["features"] = BASELINES[args.model].settings
    else:
        inputs["model"] = any_source.place(args.model)
    product = Product(args.out, "layers", settings, inputs)
    if product.done():
        return

    from hubert_iter.feats import layer_files

    data, short = any_audio.measure(found, args.resample)
    source = any_source.AnySource(args.model, "", data, "cuda" if args.gpu else "cpu")
    taps = tuple(dict.fromkeys(args.taps)) or source.names
    source.check(taps)
    with product.writing() as work:
        any_audio.write_facts(work, data, short)
        write = layer_files.write_npz if args.format == NPZ else layer_files.write_arks
        write(source, taps, work, args.out)


if __name__ == "__main__":
    cli.run(main)
