"""Find what is wrong in a data directory; with --fix true mend it in place, keeping the old files in .backup."""

from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.data import repair, validate
from hubert_iter.errors import UserError


def main(argv=None) -> None:
    """Exit 1 when anything is found that is not mended."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--fix", type=cli.true_or_false, default=False, help="sort, drop faulty utterances, count anew")
    parser.add_argument("--min_seconds", type=float, default=0.0, help="shortest utterance allowed")
    parser.add_argument("--max_seconds", type=float, default=float("inf"), help="longest utterance allowed")
    parser.add_argument("--other_speakers_than", type=Path, nargs="+", default=[], help="sets to share no speaker with")
    parser.add_argument(
        "--other_utterances_than", type=Path, nargs="+", default=[],
        help="sets made by filter_data to share no utterance with, by name or by the samples",
    )  # fmt: skip
    parser.add_argument("--alignments", type=Path, help="folder with phones.ctm and words.ctm of this data")
    parser.add_argument("--max_missing", type=int, default=0, help="utterances allowed to have no alignment")
    parser.add_argument("--show", type=int, default=20, help="faults of each kind to show")
    parser.add_argument("--nj", type=int, default=4, help="threads that decode audio")
    args = parser.parse_args(argv)

    limits = validate.Limits(args.min_seconds, args.max_seconds)
    findings = validate.examine(args.data, limits, args.other_speakers_than, args.nj, args.other_utterances_than)
    own = [args.data] if validate.has_alignments(args.data) else []
    validate.examine_alignments(findings, own + ([args.alignments] if args.alignments else []), args.max_missing)
    validate.report(findings, args.show)
    if args.fix:
        repair.in_place(findings)
    left = [fault for fault in findings.faults if not args.fix or not repair.repairable(fault, args.data)]
    if left:
        number = len(findings.dropped())
        drops = f"drop {number} utterances" if number else "mend the tables"
        advice = f"Mend the data, or let --fix true {drops}" if not args.fix else "--fix true cannot mend these"
        raise UserError(f"{args.data}: {len(left)} faults, the first: {left[0]}. {advice}")


if __name__ == "__main__":
    cli.run(main)
