"""Write a report's folder: page, summary, tidy tables and figures."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from hubert_iter.analysis.scores import COLUMNS
from hubert_iter.report import content, markdown, page
from hubert_iter.report.read import AGREEMENT_COLUMNS, QUALITY_COLUMNS, Results


def write(results: Results, folder: Path, title: str, note: str) -> None:
    """Write index.html, RESULTS.md, scores.tsv, labels.tsv, agreement.tsv and figures/ into `folder`."""
    folder = Path(folder)
    report = content.build(results, folder / "figures", title, note)
    (folder / "index.html").write_text(page.render(report), encoding="utf-8")
    (folder / "RESULTS.md").write_text(markdown.render(report), encoding="utf-8")
    rows = [{"measure": each.name, **row} for each in results.measured.values() for row in each.rows]
    write_table(folder / "scores.tsv", ("measure", *COLUMNS), rows)
    write_table(folder / "labels.tsv", QUALITY_COLUMNS, results.quality)
    write_table(folder / "agreement.tsv", AGREEMENT_COLUMNS, results.agreement)


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a TSV with a header; a table without rows has the header alone."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(
            file, list(columns), delimiter="\t", lineterminator="\n", extrasaction="ignore", quoting=csv.QUOTE_NONE
        )
        writer.writeheader()
        writer.writerows(rows)
