"""Write a report's folder: page, summary, tidy tables and figures."""

from pathlib import Path

from hubert_iter import tsv
from hubert_iter.analysis import agreement
from hubert_iter.analysis.scores import COLUMNS
from hubert_iter.report import content, markdown, page
from hubert_iter.report.read import Results
from hubert_iter.units import quality


def write(results: Results, folder: Path, title: str, note: str) -> None:
    """Write index.html, RESULTS.md, scores.tsv, labels.tsv, agreement.tsv and figures/ into `folder`."""
    folder = Path(folder)
    report = content.build(results, folder / "figures", title, note)
    (folder / "index.html").write_text(page.render(report), encoding="utf-8")
    (folder / "RESULTS.md").write_text(markdown.render(report), encoding="utf-8")
    rows = [{"measure": each.name, **row} for each in results.measured.values() for row in each.rows]
    tables = {
        "scores": (("measure", *COLUMNS), rows),
        "labels": (quality.COLUMNS, results.quality),
        "agreement": (agreement.COLUMNS, results.agreement),
    }
    for name, (columns, found) in tables.items():
        tsv.write(folder / f"{name}.tsv", columns, ([row[column] for column in columns] for row in found))
