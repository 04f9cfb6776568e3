"""Score one network's layers by all measures of an analysis, each into a folder of its own."""

import logging
import os
import time
from pathlib import Path

from hubert_iter import options, provenance
from hubert_iter.analysis import measures, pool, scores, table
from hubert_iter.analysis.measure import Material, Measure
from hubert_iter.analysis.parallel import Workers
from hubert_iter.bin import cli
from hubert_iter.errors import UserError
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.feats.foreign import locate
from hubert_iter.provenance import Product

log = logging.getLogger(__name__)


def main(argv=None) -> None:
    """Write <out>/<measure>/scores.tsv, and speakers.tsv and pairs.tsv where a measure has them."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--layers", required=True, help="folder made by pool_layers")
    parser.add_argument("--samples", type=Path, required=True, help="folder made by sample_segments")
    parser.add_argument("--others", nargs="*", default=[], help="layers of other networks: NAME=FOLDER ...")
    parser.add_argument("--model", required=True, help="the network, as pool_layers had it, for measures that run it")
    parser.add_argument("--data", type=Path, required=True, help="data dir of the evaluation set")
    parser.add_argument("--alignments", type=Path, required=True, help="folder with phones.ctm of that set")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--nj", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    parser.add_argument("--analysis", default="default", help="name of a table in conf/analysis, or a file")
    cli.add_conf_dirs(parser)
    args = parser.parse_args(argv)
    analysis = table.read(args.analysis, args.conf_dirs)
    _check_segments(args.layers, args.samples)
    model = None if args.model in BASELINES else locate(args.model)
    with Workers(args.nj) as workers:
        material = Material(
            pool.read(args.layers), args.samples, workers, analysis.splits.seed, analysis.splits.trials,
            cli.named_folders("--others", args.others), model, args.data, args.alignments, args.out,
        )  # fmt: skip
        for name, settings in analysis.measures.items():
            _score(measures.find(name, "--analysis"), name, settings, material, args.out / name)


def _score(measure: Measure, name: str, settings, material: Material, out: Path) -> None:
    shaping = {"measure": name, "run": material.layers.name, "seed": material.seed, "trials": material.trials}
    product = Product(out, "score", shaping | options.shaping(settings), measure.inputs(material), form=measure.form)
    why = product.why()
    # Only then, because telling whether a network is left out may take reading all segments.
    why_not = measure.leaves_out(material) if why else ""
    _note(out.with_name(name + scores.LEFT_OUT), why_not)
    if why_not:
        log.info("%s: left out by %s: %s", material.layers.name, name, why_not)
        return
    if product.tell(why):
        return
    measure.check(settings)
    began = time.monotonic()
    with product.writing() as work:
        scores.write(work, material.layers, measure.score(material, settings))
    log.info("%s: %s took %.1f s", material.layers.name, name, time.monotonic() - began)


def _note(path: Path, why_not: str) -> None:
    """Keep why a network is left out, for the report."""
    if not why_not:
        path.unlink(missing_ok=True)
    elif not path.is_file() or path.read_text(encoding="utf-8") != why_not + "\n":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(why_not + "\n", encoding="utf-8")


def _check_segments(layers: str, samples: Path) -> None:
    """Layers must be of the segments given."""
    if provenance.read(layers)["inputs"].get("samples", {}).get("id") != provenance.identity(samples):
        raise UserError(
            f"{layers}: expected layers pooled for the segments of {samples}, found those of other segments. "
            "Run pool_layers (stage 8) again"
        )


if __name__ == "__main__":
    cli.run(main)
