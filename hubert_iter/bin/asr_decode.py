"""Recognise a data set by a trained recogniser: greedily by CTC, or by ESPnet's beam search."""

from pathlib import Path

from hubert_iter import provenance
from hubert_iter.bin import cli
from hubert_iter.errors import UserError
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write `text`: utterance, then what was recognised."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--asr", type=Path, required=True, help="folder made by asr_train")
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--beam", type=int, default=0, help="hypotheses kept; 0 for greedy decoding")
    parser.add_argument("--ctc_weight", type=float, default=1.0, help="CTC's share in beam search; 1 without attention")
    parser.add_argument("--ngram", type=Path, help="folder made by asr_ngram, for beam search")
    parser.add_argument("--ngram_weight", type=float, default=0.3, help="weight of the n-gram model")
    cli.add_gpu(parser)
    args = parser.parse_args(argv)
    if args.beam < 0 or not 0 <= args.ctc_weight <= 1:
        raise UserError(f"expected --beam of 0 or more and --ctc_weight from 0 to 1, found {args.beam} and "
                        f"{args.ctc_weight}")  # fmt: skip
    if args.ngram and not args.beam:
        raise UserError("--ngram: greedy decoding takes no n-gram model. Give --beam, say 10, too")
    settings = {"beam": args.beam}
    inputs = {"asr": args.asr, "data": args.data}
    if args.beam:
        settings |= {"ctc_weight": args.ctc_weight}
    if args.ngram:
        settings |= {"ngram_weight": args.ngram_weight}
        inputs |= {"ngram": args.ngram}
    _check_network(args.asr)
    product = Product(args.out, "asr_decode", settings, inputs)
    if product.done():
        return
    from hubert_iter.asr import decode, tokens
    from hubert_iter.data import datadir

    search = decode.Search(args.beam, args.ctc_weight, args.ngram and args.ngram / "ngram.arpa", args.ngram_weight)
    with product.writing() as work:
        utterances = datadir.read(args.data).utterances
        datadir.write_table(work / tokens.TEXT, dict(decode.decode(args.asr, utterances, search, args.gpu)))


def _check_network(asr: Path) -> None:
    """The network must still be the one that the recogniser was trained on: its weights are not in the recogniser."""
    network = provenance.read(asr)["inputs"].get("model")
    if network and provenance.identity(network["path"]) != network["id"]:
        raise UserError(f"{asr}: was trained on another network than {network['path']} holds now. Run stage 2 again")


if __name__ == "__main__":
    cli.run(main)
