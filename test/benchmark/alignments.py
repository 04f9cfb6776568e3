"""How far two alignments of one data set lie apart: of the project's aligner, say, and those of a corpus.

    . tools/activate_python.sh
    python test/benchmark/alignments.py --data dump/data/eval --made dump/made_alignments/eval \\
        --reference dump/alignments/eval

Phones are matched by their labels (the longest common ones of each utterance), words by their order. A boundary is the
start or the end of a matched phone (word). Frames are those of 20 ms that bear a phone in the reference.
"""

import sys
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hubert_iter.bin import cli
from hubert_iter.data import alignment, datadir
from hubert_iter.frames import num_frames

LIMITS = (10, 20, 50, 100)  # milliseconds


def main() -> None:
    """Print a table."""
    parser = cli.ArgumentParser(__doc__)
    for name in ("data", "made", "reference"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    data = datadir.read(args.data)
    print(f"{len(data)} utterances, {data.total_seconds / 60:.1f} minutes")
    for tier in alignment.TIERS:
        made, reference = (alignment.read_ctm(folder / f"{tier}.ctm") for folder in (args.made, args.reference))
        both = [utterance.id for utterance in data.utterances if made.get(utterance.id) and reference.get(utterance.id)]
        shifts, total = [], 0
        for utterance in both:
            shifts += _shifts(made[utterance], reference[utterance])
            total += len(reference[utterance])
        milliseconds = 1000 * np.abs(shifts)
        within = ", ".join(f"{100 * (milliseconds <= limit + 0.01).mean():.1f} % within {limit} ms" for limit in LIMITS)
        print(
            f"{tier}: {len(both)} utterances in both, {len(shifts) // 2} of {total} matched; boundaries: {within}; "
            f"median {np.median(milliseconds):.1f} ms, made later by {1000 * np.median(shifts):+.1f} ms in the median"
        )
        if tier == "phones":
            _print_frames(data, made, reference, both)


def _shifts(made: list[alignment.Segment], reference: list[alignment.Segment]) -> list[float]:
    """Made less reference, in seconds, of both ends of each matched segment."""
    labels = [[segment.label for segment in each] for each in (made, reference)]
    blocks = SequenceMatcher(None, *labels, autojunk=False).get_matching_blocks()
    pairs = [(made[block.a + i], reference[block.b + i]) for block in blocks for i in range(block.size)]
    return [time for first, second in pairs for time in (first.start - second.start, first.end - second.end)]


def _print_frames(data, made, reference, both: list[str]) -> None:
    names = sorted({segment.label for each in (made, reference) for key in both for segment in each[key]})
    index = {name: number for number, name in enumerate(names)}
    same = spoken = quiet = both_quiet = 0
    for key in both:
        count = num_frames(data[key].num_samples)
        first, second = (alignment.frame_labels(each[key], count, index) for each in (made, reference))
        same += int(((first == second) & (second >= 0)).sum())
        spoken += int((second >= 0).sum())
        both_quiet += int(((first < 0) & (second < 0)).sum())
        quiet += int((second < 0).sum())
    print(f"frames: of {spoken} with a phone {100 * same / spoken:.1f} % bear the same; of {quiet} without any "
          f"{100 * both_quiet / max(quiet, 1):.1f} % bear none")  # fmt: skip


if __name__ == "__main__":
    cli.run(main)
