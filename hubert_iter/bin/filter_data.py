"""Check a data directory, decode all its audio, leave out utterances beyond the limits, count samples (stage 2)."""

import logging
from collections import Counter
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.data import recordings
from hubert_iter.errors import UserError
from hubert_iter.provenance import Product

log = logging.getLogger(__name__)


def main(argv=None) -> None:
    """Write a data directory without faults. Faults are an error, or, with --fix true, utterances left out."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory to read; it is not changed")
    parser.add_argument("--out", type=Path, required=True, help="data directory to make")
    parser.add_argument("--fix", type=cli.true_or_false, default=False, help="sort, and drop faulty utterances")
    parser.add_argument("--min_seconds", type=float, default=0.0, help="leave out shorter utterances")
    parser.add_argument("--max_seconds", type=float, default=float("inf"), help="leave out longer utterances")
    parser.add_argument("--other_speakers_than", type=Path, nargs="+", default=[], help="sets to share no speaker with")
    parser.add_argument(
        "--other_utterances_than", type=Path, nargs="+", default=[],
        help="sets made by this program to share no utterance with, by name or by the samples",
    )  # fmt: skip
    parser.add_argument(
        "--same_speakers", type=cli.true_or_false, default=False,
        help="allow speakers of --other_speakers_than, listing them in shared_speakers.txt: the report says so",
    )  # fmt: skip
    parser.add_argument(
        "--resample", type=cli.true_or_false, default=False,
        help="convert other rates and several channels to 16 kHz and one channel, written once",
    )  # fmt: skip
    parser.add_argument("--show", type=int, default=20, help="faults of each kind to show")
    parser.add_argument("--nj", type=int, default=4, help="threads that decode audio")
    args = parser.parse_args(argv)

    settings = {
        "fix": args.fix,
        "min_seconds": args.min_seconds,
        "max_seconds": args.max_seconds,
        "audio": recordings.state(args.data),
    }
    # As options that came later than the first results: at their defaults nothing is made again.
    settings |= {name: True for name in ("resample", "same_speakers") if getattr(args, name)}
    if args.resample or recordings.are_dumped(args.data):
        settings["folder"] = str(args.out.absolute())  # wav.scp holds it: a moved folder is made again
    if recordings.are_relative(args.data):
        settings["paths_begin_at"] = str(Path.cwd())  # likewise
    inputs = {"data": args.data}
    inputs |= {f"other_{n}": path for n, path in enumerate(args.other_speakers_than, start=1)}
    inputs |= {f"other_utterances_{n}": path for n, path in enumerate(args.other_utterances_than, start=1)}
    product = Product(args.out, "filter_data", settings, inputs, form=2)
    if product.done():
        return

    from hubert_iter.data import audio_ark, repair, validate

    with product.writing() as work:
        limits = validate.Limits(args.min_seconds, args.max_seconds)
        dump = audio_ark.Dump(work, args.out.absolute(), args.resample, args.min_seconds, args.max_seconds)
        findings = validate.examine(
            args.data, limits, args.other_speakers_than, args.nj, args.other_utterances_than, dump, args.same_speakers
        )
        validate.report(findings, args.show, count_only=validate.LIMIT_KINDS)
        faults = [fault for fault in findings.faults if fault.kind not in validate.LIMIT_KINDS]
        if faults and not args.fix:
            raise UserError(
                f"{args.data}: {len(faults)} faults, the first: {faults[0]}. Mend the data, or drop what is faulty "
                "with --fix true"
            )
        repair.write_good(work, findings, absolute=True)
    if findings.written:
        log.info("%s: %d utterances written to %s", args.out, len(findings.written), args.out / audio_ark.FILE_NAME)
    dropped = findings.dropped()
    if dropped:
        kinds = Counter(reason.partition(":")[0] for reason in dropped.values())
        each = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        log.warning("%s: %d utterances dropped (%s): %s", args.out, len(dropped), each, args.out / repair.DROPPED)


if __name__ == "__main__":
    cli.run(main)
