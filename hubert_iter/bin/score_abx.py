"""Score a run's layers by phone ABX, within and across speakers: a second opinion beside CCA (needs fastabx)."""

import logging
import os
import shutil
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.analysis import abx, scores, tokens
from hubert_iter.bin import cli
from hubert_iter.data import alignment, datadir
from hubert_iter.errors import UserError
from hubert_iter.feats.foreign import locate


def main(argv=None) -> None:
    """Write scores.tsv."""
    default = abx.Settings()
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--model", required=True, help="folder of a trained model, or another model as pool_layers has")
    parser.add_argument("--data", required=True, help="data dir of the evaluation set")
    parser.add_argument("--alignments", required=True, help="folder with phones.ctm of that set")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument("--name", required=True, help="the run's name in scores and figures")
    parser.add_argument(
        "--context", choices=abx.CONTEXTS, default=default.context,
        help="any: compare phones between any others; within: between the same two, for large sets",
    )  # fmt: skip
    parser.add_argument(
        "--max_tokens", type=int, default=default.max_tokens, help="tokens per phone and speaker (and context) at most"
    )
    parser.add_argument(
        "--max_x_speakers", type=int, default=default.max_x_speakers,
        help="across speakers: other speakers whose X are compared with an A and B",
    )  # fmt: skip
    parser.add_argument("--distance", choices=abx.DISTANCES, default=default.distance, help="distance of two frames")
    parser.add_argument("--seed", type=int, default=default.seed, help="seed of the draw")
    parser.add_argument("--nj", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    args = parser.parse_args(argv)
    for option in ("max_tokens", "max_x_speakers"):
        if getattr(args, option) < 2:
            raise UserError(f"--{option}: expected 2 or more, found {getattr(args, option)}")
    settings = abx.Settings(**{name: getattr(args, name) for name in abx.Settings.__dataclass_fields__})
    path = locate(args.model)
    stage = provenance.Product(
        Path(args.out), "score_abx", vars(settings) | {"name": args.name},
        {"model": path, "data": args.data, "alignments": args.alignments},
    )  # fmt: skip
    if stage.done():
        return
    abx.require()
    from hubert_iter.feats.layers import open_model  # loads torch: not needed to say "up to date"

    data = datadir.read(args.data)
    found = tokens.find(data.utterances, alignment.read_ctm(Path(args.alignments) / "phones.ctm"))
    drawn = tokens.draw(found, settings.max_tokens, settings.seed, settings.in_context)
    triples = abx.count(drawn, settings)  # before the model runs, which takes longer
    logging.info("%s: %d of %d tokens, triples: %s", args.name, len(drawn), len(found), triples)
    with stage.writing() as work:
        model = open_model(path)
        frames = work / "frames"
        frames.mkdir()
        taps = tokens.write_frames(model, data, drawn, frames)
        rows = abx.score(frames, taps, drawn, settings, args.nj)
        shutil.rmtree(frames)
        updates = model.description.get("updates", 0)
        scores.write(
            work / scores.FILE_NAME,
            (
                (args.name, updates, tap, "phone", metric, 0, None if tap == "-" else 0, value)
                for tap, metric, value in rows
            ),
        )


if __name__ == "__main__":
    cli.run(main)
