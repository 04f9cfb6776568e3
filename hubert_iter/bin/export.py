"""Write a trained model in the formats of Hugging Face, torchaudio and fairseq, each into a folder of its own.

The Hugging Face folder has a full model card, the k-means that the model was trained on and those fitted on its own
layers. With --push_to it is uploaded to a hub.
"""

import logging
from argparse import Namespace
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.bin import cli
from hubert_iter.config import read_yaml
from hubert_iter.errors import UserError
from hubert_iter.models.convert import FORMATS, HUGGINGFACE
from hubert_iter.models.settings import DESCRIPTION, MEL
from hubert_iter.provenance import Product

log = logging.getLogger(__name__)


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument(
        "--model", type=Path, required=True, help="folder of a trained model; scores and metrics beside it are read"
    )
    parser.add_argument("--formats", required=True, nargs="+", choices=FORMATS, help="whose formats")
    parser.add_argument("--out", type=Path, required=True, help="folder to write <format>/ into")
    parser.add_argument("--units", type=Path, help="dump/<study>/units, where k-means of the model's own layers are")
    parser.add_argument("--license", default="apache-2.0", help="of the weights, for the model card")
    parser.add_argument("--language", nargs="*", default=[], help="codes of the speech's languages, for the card: en")
    parser.add_argument("--datasets", nargs="*", default=[], help="the corpora's names on the hub, for the card")
    parser.add_argument("--data_note", default="", help="what readers of the card must know about the data")
    parser.add_argument(
        "--push_to",
        default="",
        help="repository on the Hugging Face hub, OWNER/NAME, to upload the huggingface folder to",
    )
    parser.add_argument("--private", type=cli.true_or_false, default=True, help="make that repository a private one")
    args = parser.parse_args(argv)
    if args.push_to:
        from hubert_iter.share import push

        if HUGGINGFACE not in args.formats:
            raise UserError(f"--push_to {args.push_to}: uploads the format {HUGGINGFACE}: add it to --formats")
        push.check(args.push_to)
    description = args.model / DESCRIPTION
    if description.is_file() and read_yaml(description)["model"].get("front_end") == MEL:
        if args.push_to:
            raise UserError(
                f"--push_to {args.push_to}: {args.model} takes log-mel frames, which no other library has: "
                "nothing is exported of it"
            )
        log.info("%s: left out: its log-mel frames are in no other library. Load it with hubert_iter", args.model)
        return
    for name in args.formats:
        if name == HUGGINGFACE:
            _huggingface(args)
            continue
        product = Product(args.out / name, "export", {"format": name}, {"model": args.model})
        if product.done():
            continue

        from hubert_iter.models.convert.export import export  # loads torch: not needed to say "up to date"

        with product.writing() as work:
            readme, _ = export(args.model, name, work)
            (work / "README.md").write_text(readme)
    if args.push_to:
        push.upload(args.out / HUGGINGFACE, args.push_to, args.private)


def _huggingface(args: Namespace) -> None:
    """The model, its card and its k-means."""
    from hubert_iter.share import lineage
    from hubert_iter.units import beside

    chain = lineage.chain(args.model)
    own = beside.own_fits(args.units, chain[0].id) if args.units else []
    teacher, run = chain[0].kmeans, args.model.resolve().parent
    measures = {path.parent.name: path.parent for path in sorted(run.glob(f"measures/*/{provenance.FILE_NAME}"))}
    measures = {name: folder for name, folder in measures.items() if provenance.is_current(folder)}
    metrics = run / "metrics.jsonl" if (run / "metrics.jsonl").is_file() else None
    inputs = {"model": args.model} | {f"measure {name}": folder for name, folder in measures.items()}
    inputs |= {f"kmeans {folder.parent.name}": folder for folder in own}
    inputs |= {name: path for name, path in {"kmeans": teacher, "metrics": metrics}.items() if path}
    told = {name: getattr(args, name) for name in ("license", "language", "datasets", "data_note")}
    product = Product(args.out / HUGGINGFACE, "export", {"format": HUGGINGFACE, **told}, inputs, form=2)
    if product.done():
        return
    if teacher is None and chain[0].description.get("classes"):
        log.warning("%s: the k-means of its labels is no longer where it was: it is not put beside it", args.model)

    from hubert_iter.models.convert.export import export
    from hubert_iter.share import card

    with product.writing() as work:
        usage, facts = export(args.model, HUGGINGFACE, work)
        fits = beside.write(work, teacher, own)
        said = card.Told(args.license, args.language, args.datasets, args.data_note)
        (work / "README.md").write_text(card.make(usage, facts, chain, fits, measures, metrics, said))


if __name__ == "__main__":
    cli.run(main)
