"""Gather what a study has produced into plain tables: scores, training metrics, label quality, data, provenance.

Everything but the study file may be missing: a report is worth having while runs are still training. What is missing
is listed, with the stage that makes it, so that the page can say so.
"""

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hubert_iter import frames, provenance, study
from hubert_iter.analysis import learning, measures, sample
from hubert_iter.analysis import scores as tables
from hubert_iter.analysis.measure import Measure
from hubert_iter.config import read_yaml
from hubert_iter.errors import UserError
from hubert_iter.feats.baselines import BASELINES

QUALITY_COLUMNS = ("labels", "set", "metric", "value")
CONFUSION_COLUMNS = ("labels", "set", "phone", "read_as", "share", "frames")
AGREEMENT_COLUMNS = ("labels_a", "labels_b", "metric", "value")


@dataclass(frozen=True)
class DataSet:
    """How much speech one data set holds."""

    name: str
    utterances: int
    hours: float | None
    speakers: int
    unaligned: int | None


@dataclass(frozen=True)
class Measured:
    """What one measure has said of all networks."""

    name: str
    rows: list[dict[str, str]]
    speakers: list[dict[str, str]]
    """Scores without each of the evaluation speakers."""
    pairs: list[dict[str, str]]
    """Scores of the layers of two networks."""
    settings: dict

    @property
    def measure(self) -> Measure:
        """Itself, which says how it is named and drawn."""
        return measures.find(self.name, "report")


@dataclass(frozen=True)
class Results:
    """All tables of one study; `runs` is in the order of the study file, other scored models after."""

    runs: tuple[str, ...]
    specs: dict[str, study.Run]
    legs: dict[str, tuple[study.Run, ...]] = field(default_factory=dict)
    """By the run's name: all its legs, of which the last is the run's own spec."""
    measured: dict[str, Measured] = field(default_factory=dict)
    """By the measure's name, in the order of the report."""
    metrics: dict[str, list[dict]] = field(default_factory=dict)
    configs: dict[str, dict] = field(default_factory=dict)
    quality: list[dict[str, str]] = field(default_factory=list)
    confusion: list[dict[str, str]] = field(default_factory=list)
    agreement: list[dict[str, str]] = field(default_factory=list)
    data: list[DataSet] = field(default_factory=list)
    provenance: list[dict] = field(default_factory=list)
    samples: dict[str, dict] = field(default_factory=dict)
    """What was sampled of each property: classes and instances found, kept and left out."""
    missing: tuple[str, ...] = ()

    @property
    def cca(self) -> Measured:
        """The scores that findings are made from; empty where there are none yet."""
        return self.measured.get("cca", Measured("cca", [], [], [], {}))

    @property
    def learning(self) -> dict[str, learning.Learning]:
        """Of the runs whose metrics say so: how they stand beside what needs no network."""
        found = {run: learning.learning(run, records) for run, records in self.metrics.items()}
        return {run: each for run, each in found.items() if each}

    @property
    def label_scores(self) -> dict[tuple[str, str, str], list[float]]:
        """(label set, data set, metric) -> values of its replicates, under the name of the first one's."""
        found: dict[tuple[str, str, str], list[float]] = {}
        for row in self.lasting(self.quality):
            key = (self.label_set(row["labels"]), row["set"], row["metric"])
            found.setdefault(key, []).append(float(row["value"]))
        return found

    def lasting(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        """Rows on label sets, but for those on sets of a passing leg."""
        columns = ("labels", "labels_a", "labels_b")
        return [row for row in rows if not self.passing & {row.get(column) for column in columns}]

    @property
    def passing(self) -> set[str]:
        """Label sets that runs are taught between refreshes alone: they may be many, and have a table of their own."""
        lasting = {spec.labels for spec in self.specs.values()}
        return {leg.labels for legs in self.legs.values() for leg in legs} - lasting

    def label_set(self, labels: str) -> str:
        """The name under which a label set is shown: that of the same condition's first replicate."""
        run = next((run for run in self.specs.values() if run.labels == labels), None)
        return self.specs[run.condition].labels if run else labels


@dataclass(frozen=True)
class Sources:
    """Where the parts of a report lie; only what exists is listed."""

    study: Path
    measured: dict[str, list[Path]]
    """Folders of each measure's scores of each network."""
    metrics: dict[str, Path]
    configs: dict[str, Path]
    quality: dict[str, Path]
    agreement: Path | None
    data: dict[str, Path]
    alignments: dict[str, Path]
    stages: dict[str, Path]
    samples: Path | None = None

    def inputs(self) -> dict[str, Path]:
        """Name and path of all that the report depends on, for its provenance."""
        found: dict[str, Path] = {"study": self.study, **self.stages}
        made = set(self.stages.values())
        for kind in ("metrics", "configs", "quality", "data", "alignments"):
            for name, path in getattr(self, kind).items():
                # What lies in a folder made by a stage is covered by that stage's record.
                if path not in made and path.parent not in made:
                    found[f"{kind} {name}"] = path
        if self.agreement and self.agreement.parent not in made:
            found["agreement"] = self.agreement
        return found


def find(study_file: str | Path, expdir: str | Path, dumpdir: str | Path) -> Sources:
    """Find the parts of a study's results that exist; `dumpdir` is dump/<study>, beside dump/data."""
    study_file, expdir, dumpdir = Path(study_file), Path(expdir), Path(dumpdir)
    if not study_file.is_file():
        raise UserError(f"{study_file}: expected a study file, found nothing. Name one of conf/study/*.yaml by --study")
    common = dumpdir.parent
    stages = {}
    for base, patterns in (
        (common, ("data/*", "alignments/*", "mfcc/*")),
        (dumpdir, ("units/*/*",)),
        (expdir, ("samples", "*/model", "*/layers*", "*/measures*/*", "agreement")),
    ):
        for pattern in patterns:
            for folder in sorted(base.glob(pattern)):
                if (folder / provenance.FILE_NAME).is_file() and _is_current(folder, base):
                    stages[str(folder.relative_to(base))] = folder
    measured: dict[str, list[Path]] = {}
    for name, folder in stages.items():
        if re.fullmatch(r"[^/]+/measures(_\d+)?/\w+", name):
            measured.setdefault(folder.name, []).append(folder)
    agreement = expdir / "agreement" / "scores.tsv"
    return Sources(
        study=study_file,
        measured=measured,
        metrics=_named(expdir.glob("*/metrics.jsonl"), 1),
        configs=_named(expdir.glob("*/config.yaml"), 1),
        quality=_named(dumpdir.glob("units/*/quality/scores.tsv"), 2),
        agreement=agreement if agreement.is_file() else None,
        data=_named((path for path in common.glob("data/*/utt2spk")), 1, folder=True),
        alignments=_named((path for path in common.glob("alignments/*/missing.txt")), 1, folder=True),
        stages=stages,
        samples=stages.get("samples"),
    )


def read(sources: Sources) -> Results:
    """Read all parts; UserError with file and line for a part that is there but malformed."""
    table_of_runs = study.read(sources.study)
    specs = table_of_runs.runs
    inner = {leg.name for leg in table_of_runs.all_legs() if leg.inner}
    found = [_measured(name, folders) for name, folders in sources.measured.items()]
    found.sort(key=lambda each: each.measure.order)
    scored = dict.fromkeys(row["run"] for each in found for row in (*each.rows, *each.pairs))
    baselines = [name for name in BASELINES if name in scored]
    runs = tuple(name for name in dict.fromkeys([*baselines, *specs, *scored, *sources.metrics]) if name not in inner)
    order = {run: place for place, run in enumerate(runs)}
    for each in found:
        each.rows.sort(key=lambda row: order[row["run"]])  # stable: each run's rows stay in the order of its file
    results = Results(
        runs=runs,
        specs=specs,
        legs=table_of_runs.legs,
        measured={each.name: each for each in found},
        metrics={run: _metrics(sources.metrics[run]) for run in runs if run in sources.metrics},
        configs={run: read_yaml(sources.configs[run]) for run in runs if run in sources.configs},
        quality=_quality(sources, table_of_runs.all_legs(), "scores.tsv", QUALITY_COLUMNS),
        confusion=_quality(sources, table_of_runs.all_legs(), "confusion.tsv", CONFUSION_COLUMNS),
        agreement=table(sources.agreement, AGREEMENT_COLUMNS) if sources.agreement else [],
        data=[_data_set(name, path, sources.alignments.get(name)) for name, path in sources.data.items()],
        samples=sample.read_facts(sources.samples) if sources.samples else {},
        provenance=[_stage(name, folder) for name, folder in sources.stages.items()],
    )
    return Results(**{**results.__dict__, "missing": tuple(_missing(results))})


def _measured(name: str, folders: list[Path]) -> Measured:
    """Read all scores by one measure; UserError where runs were not scored alike."""
    tables.check_comparable(folders)
    files = (tables.FILE_NAME, tables.SPEAKERS_FILE, tables.PAIRS_FILE)
    rows, speakers, pairs = ([row for folder in folders for row in tables.read(folder, file)] for file in files)
    for row in (*rows, *speakers, *pairs):
        # A model from elsewhere has no updates: it counts as scored at 0.
        row["update"] = "0" if row["update"] == "-" else row["update"]
    return Measured(name, rows, speakers, pairs, provenance.read(folders[0])["settings"])


def table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Read a TSV with a header that has at least `columns`; the last one must be a number."""
    columns = tuple(columns)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or not set(columns) <= set(rows[0]):
        found = " ".join(rows[0]) if rows else "an empty file"
        raise UserError(f"{path}:1: expected the columns {' '.join(columns)}, found {found}. Run its stage again")
    out = []
    for number, cells in enumerate(rows[1:], start=2):
        if len(cells) != len(rows[0]):
            raise UserError(
                f"{path}:{number}: expected {len(rows[0])} columns, found {len(cells)}. Run its stage again"
            )
        row = dict(zip(rows[0], cells, strict=True))
        try:
            float(row[columns[-1]])
        except ValueError:
            raise UserError(
                f"{path}:{number}: expected a number as {columns[-1]}, found '{row[columns[-1]]}'. Run its stage again"
            ) from None
        out.append(row)
    return out


def _quality(sources: Sources, specs: Iterable[study.Run], file: str, columns: Iterable[str]) -> list[dict[str, str]]:
    """Scores of the labels in the order in which the study's runs use the label sets, others after."""
    used = [spec.labels for spec in specs if spec.labels in sources.quality]
    paths = [sources.quality[name].with_name(file) for name in dict.fromkeys([*used, *sources.quality])]
    return [row for path in paths if path.is_file() for row in table(path, columns)]


def _named(paths: Iterable[Path], up: int, folder: bool = False) -> dict[str, Path]:
    """Map the name of the folder `up` levels above each file to the file (or to that folder)."""
    current = [path for path in sorted(paths) if _is_current(path.parent, path.parents[up])]
    return {path.parents[up - 1].name: path.parent if folder else path for path in current}


def _is_current(folder: Path, base: Path) -> bool:
    """False for a folder that is unfinished, or was kept of an edit, or lies in such a one below `base`."""
    return all(map(provenance.is_current, (folder, *folder.relative_to(base).parents)))


def _metrics(path: Path) -> list[dict]:
    """The records in the order of updates; a resumed run may repeat an update, then the later record counts."""
    records = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            key = (int(record["update"]), str(record["split"]))
        except (ValueError, KeyError, TypeError):
            if number == len(lines):  # a line that is still being written, or that a crash cut off
                continue
            raise UserError(
                f"{path}:{number}: expected a JSON record with update and split, found '{line[:60]}'"
            ) from None
        records[key] = record
    return [records[key] for key in sorted(records)]


def _data_set(name: str, folder: Path, alignments: Path | None) -> DataSet:
    speakers = [line.split()[1] for line in (folder / "utt2spk").read_text().splitlines() if len(line.split()) == 2]
    hours = None
    lengths = folder / "utt2num_samples"
    if lengths.is_file():
        hours = frames.hours(sum(int(line.split()[1]) for line in lengths.read_text().splitlines()))
    unaligned = None
    if alignments is not None:
        unaligned = len((alignments / "missing.txt").read_text().split("\n")) - 1
    return DataSet(name, len(speakers), hours, len(set(speakers)), unaligned)


def _stage(name: str, folder: Path) -> dict:
    record = provenance.read(folder)
    return {key: record[key] for key in ("command", "version", "settings", "id")} | {
        "folder": name,
        "inputs": {key: value["id"] for key, value in record["inputs"].items()},
    }


def _missing(results: Results) -> list[str]:
    scored = {row["run"] for each in results.measured.values() for row in each.rows}
    notes = []
    unscored = [run for run in results.runs if run not in scored]
    if unscored:
        notes.append(f"No scores of {', '.join(unscored)} (stages 7 to 9).")
    untrained = [run for run, spec in results.specs.items() if spec.trained and run not in results.metrics]
    if untrained:
        notes.append(f"No training record of {', '.join(untrained)} (stage 7).")
    if not results.quality:
        notes.append("No label quality (stage 10).")
    if not results.agreement:
        notes.append("No agreement between label sets (stage 10; needs two label sets).")
    if not results.data:
        notes.append("No description of the data (stage 2).")
    return notes
