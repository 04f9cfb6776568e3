"""Gather a data directory's phone and word alignments from CTM files or TextGrids into CTM files (stage 3).

For a corpus without any, --without true leaves files without a line, so that later stages know. --check true makes
nothing: it only says whether they are there.
"""

from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.data import collect_alignments, datadir
from hubert_iter.errors import UserError, summarise
from hubert_iter.provenance import Product

COMMAND = "align_data"


def main(argv=None) -> None:
    """Write phones.ctm, words.ctm (labels normalised, silence left out) and missing.txt."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="filtered data directory")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--textgrids", type=Path, help="folder with UTTERANCE.TextGrid files, at any depth")
    parser.add_argument("--ctm_dir", type=Path, help="folder whose phones.ctm and words.ctm, if there, go first")
    parser.add_argument("--max_missing", type=int, default=0, help="utterances allowed to have no alignment")
    parser.add_argument("--fix", type=cli.true_or_false, default=False, help="drop faulty alignments, listing them")
    parser.add_argument("--nj", type=int, default=1, help="processes that read TextGrids")
    parser.add_argument(
        "--silence_phones", default="", help='labels of no phone beside the known ones, in one word: "pau brth"'
    )
    parser.add_argument(
        "--without", type=cli.true_or_false, default=False, help="the corpus has no alignments: go on without"
    )
    parser.add_argument("--check", type=cli.true_or_false, default=False, help="only see that OUT has been made")
    args = parser.parse_args(argv)

    if args.check:
        collect_alignments.require(args.out, args.data, "analysis")
        return
    if args.without:
        _leave_empty(args.out, args.data)
        return
    source = collect_alignments.choose_source(args.textgrids, args.ctm_dir)
    inputs = {"data": args.data}
    if source == args.ctm_dir:
        inputs |= {"phones": source / "phones.ctm", "words": source / "words.ctm"}
    else:
        inputs |= {"textgrids": source}
    silence = args.silence_phones.split()
    # Only where it is given, so that what was made before the option was there stays up to date.
    settings = {"fix": args.fix} | ({"silence_phones": sorted(silence)} if silence else {})
    product = Product(args.out, COMMAND, settings, inputs, form=2)
    missing_list = args.out.with_name(args.out.name + ".missing.txt")
    if product.done():
        return
    with product.writing() as work:
        data = datadir.read(args.data)
        found = collect_alignments.gather(data, args.textgrids, args.ctm_dir, args.nj, silence)
        if found.faults and not args.fix:
            shown = summarise((str(fault) for fault in found.faults), most=3)
            raise UserError(f"{len(found.faults)} faulty alignments: {shown}. Mend them, or drop them with --fix true")
        missing = collect_alignments.refuse_missing(data, found, args.max_missing, missing_list)
        collect_alignments.write(work, found, missing)


def _leave_empty(out: Path, data: Path) -> None:
    """Files without a line: what there is to say of a corpus without alignments."""
    product = Product(out, COMMAND, {"without": True}, {"data": data})
    if product.done():
        return
    with product.writing() as work:
        missing = [utterance.id for utterance in datadir.read(data).utterances]
        collect_alignments.write(work, collect_alignments.Alignments(), missing)


if __name__ == "__main__":
    cli.run(main)
