"""Gather what a study has produced into plain tables: scores, training metrics, label quality, data, provenance.

Everything but the study file may be missing: a report is worth having while runs are still training. What is missing
is listed, with the stage that makes it, so that the page can say so.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubert_iter import frames, provenance, study, tsv
from hubert_iter.analysis import agreement, learning, measures, sample, scores
from hubert_iter.analysis.measure import Measure
from hubert_iter.config import read_yaml
from hubert_iter.data.recordings import SHARED_SPEAKERS
from hubert_iter.errors import UserError
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.runs import Run
from hubert_iter.units import quality

WITHOUT_ALIGNMENTS = (
    "No scores of phones and words: the evaluation set has no alignments. For English, ./run.sh --stage 3 --alignments "
    "make makes them; with TextGrids or CTM files of another aligner it is --alignments given (docs/alignments.md). "
    "All that rests on them is then scored, nothing is trained again."
)
"""What a page says of a corpus without alignments."""


@dataclass(frozen=True)
class DataSet:
    """How much speech one data set holds."""

    name: str
    utterances: int
    hours: float | None
    speakers: int
    unaligned: int | None
    shared_speakers: Mapping[str, str]
    """Speakers that another set has too, as was allowed, and which set."""


@dataclass(frozen=True)
class Measured:
    """What one measure has said of all networks."""

    name: str
    """The measure's folder: its name, with the variant where it has several."""
    rows: list[dict[str, str]]
    speakers: list[dict[str, str]]
    """Scores without each of the evaluation speakers."""
    pairs: list[dict[str, str]]
    """Scores of the layers of two networks."""
    settings: dict

    @property
    def measure(self) -> Measure:
        """Itself, which says how it is named and drawn."""
        return measures.of_folder(self.name, "report")


@dataclass(frozen=True)
class Results:
    """All tables of one study; `runs` is in the order of the study file, other scored models after."""

    runs: tuple[str, ...]
    specs: dict[str, Run]
    legs: dict[str, tuple[Run, ...]]
    """By the run's name: all its legs, of which the last is the run's own spec."""
    question: str
    """The study's; "" where it has none."""
    compare: Mapping[str, tuple[tuple[str, str], ...]]
    """The study's: question -> pairs of conditions that answer it."""
    measured: dict[str, Measured]
    """By the measure's name, in the order of the report."""
    metrics: dict[str, list[dict]]
    configs: dict[str, dict]
    quality: list[dict[str, str]]
    confusion: list[dict[str, str]]
    agreement: list[dict[str, str]]
    data: list[DataSet]
    provenance: dict[str, dict]
    samples: dict[str, dict]
    """What was sampled of each property: classes and instances found, kept and left out."""
    left_out: dict[str, dict[str, str]]
    """By the measure's name: network -> why the measure does not score it."""

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

    @property
    def missing(self) -> list[str]:
        """What is not there, with the stage that makes it."""
        scored = {row["run"] for each in self.measured.values() for row in each.rows}
        unscored = [run for run in self.runs if run not in scored]
        unknown = [run for run, spec in self.specs.items() if spec.trained and run not in self.metrics]
        notes = {
            f"No scores of {', '.join(unscored)} (stages 7 to 9).": unscored,
            f"No training record of {', '.join(unknown)} (stage 7).": unknown,
            "No label quality (stage 10).": not self.quality,
            "No agreement between label sets (stage 10; needs two label sets).": not self.agreement,
            "No description of the data (stage 2).": not self.data,
            WITHOUT_ALIGNMENTS: bool(self.samples) and not self.samples["phone"]["wanted"],
        }
        return [note for note, applies in notes.items() if applies]


STAGES = {
    "common": ("data/*", "alignments/*", "mfcc/*"),
    "dump": ("units/*/*",),
    "exp": ("samples", "*/model", "*/layers*", "*/measures*/*", "agreement"),
}
"""Folders that stages make, below dump, dump/<study> and exp/<study>."""
FILES = {
    "metrics": ("exp", "*/metrics.jsonl"),
    "configs": ("exp", "*/config.yaml"),
    "agreement": ("exp", "agreement*/scores.tsv"),
    "quality": ("dump", "units/*/quality/scores.tsv"),
    "confusion": ("dump", "units/*/quality/confusion.tsv"),
    "speakers": ("common", "data/*/utt2spk"),
    "lengths": ("common", "data/*/utt2num_samples"),
    "unaligned": ("common", "alignments/*/missing.txt"),
    "shared_speakers": ("common", f"data/*/{SHARED_SPEAKERS}"),
    "left_out": ("exp", f"*/measures/*{scores.LEFT_OUT}"),
}
"""Kinds of files that are read, and where they are. The part with the * names the run, label set or data set; where two
parts have one, both do."""


@dataclass(frozen=True)
class Sources:
    """Where the parts of a report lie; only what exists is listed."""

    study: Path
    stages: dict[str, Path]
    """Path below its base -> folder."""
    files: dict[str, dict[str, Path]]
    """Kind -> name -> file."""

    @property
    def measured(self) -> dict[str, list[Path]]:
        """Folders of each measure's scores of each network."""
        found: dict[str, list[Path]] = {}
        for name, folder in self.stages.items():
            if re.fullmatch(r"[^/]+/measures(_\d+)?/[^/]+", name):
                found.setdefault(folder.name, []).append(folder)
        return found

    def inputs(self) -> dict[str, Path]:
        """Name and path of all that the report depends on, for its provenance."""
        made = set(self.stages.values())
        # What lies in a folder made by a stage is covered by that stage's record.
        return {"study": self.study, **self.stages} | {
            f"{kind} {name}": path
            for kind, files in self.files.items()
            for name, path in files.items()
            if path.parent not in made
        }


def find(study_file: str | Path, expdir: str | Path, dumpdir: str | Path) -> Sources:
    """Find the parts of a study's results that exist; `dumpdir` is dump/<study>, beside dump/data."""
    study_file, dumpdir = Path(study_file), Path(dumpdir)
    if not study_file.is_file():
        raise UserError(f"{study_file}: expected a study file, found nothing. Name one of conf/study/*.yaml by --study")
    bases = {"common": dumpdir.parent, "dump": dumpdir, "exp": Path(expdir)}
    stages = {
        str(folder.relative_to(bases[base])): folder
        for base, patterns in STAGES.items()
        for pattern in patterns
        for folder in sorted(bases[base].glob(pattern))
        if (folder / provenance.FILE_NAME).is_file() and _is_current(folder, bases[base])
    }
    return Sources(study_file, stages, {kind: _files(bases[base], pattern) for kind, (base, pattern) in FILES.items()})


def _files(base: Path, pattern: str) -> dict[str, Path]:
    """Files by the parts of their path that have a *."""
    places = [place for place, part in enumerate(Path(pattern).parts) if "*" in part]
    found = (path for path in sorted(base.glob(pattern)) if _is_current(path.parent, base))
    return {"/".join(path.relative_to(base).parts[place] for place in places): path for path in found}


def _is_current(folder: Path, base: Path) -> bool:
    """False for a folder that is unfinished, or was kept of an edit, or lies in such a one below `base`."""
    return all(map(provenance.is_current, (folder, *folder.relative_to(base).parents)))


def read(sources: Sources) -> Results:
    """Read all parts; UserError with file and line for a part that is there but malformed."""
    the_study, files = study.read(sources.study), sources.files
    specs = the_study.runs
    found = [_measured(name, folders) for name, folders in sources.measured.items()]
    found.sort(key=lambda each: each.measure.order)
    scored = dict.fromkeys(row["run"] for each in found for row in (*each.rows, *each.pairs))
    baselines = [name for name in BASELINES if name in scored]
    inner = {leg.name for leg in the_study.all_legs() if leg.inner}
    runs = tuple(run for run in dict.fromkeys([*baselines, *specs, *scored, *files["metrics"]]) if run not in inner)
    order = {run: place for place, run in enumerate(runs)}
    for each in found:
        each.rows.sort(key=lambda row: order[row["run"]])  # stable: each run's rows stay in the order of its file
    used = [leg.labels for leg in the_study.all_legs()]
    return Results(
        runs=runs,
        specs=specs,
        legs=the_study.legs,
        question=the_study.question,
        compare=the_study.compare,
        measured={each.name: each for each in found},
        metrics={run: read_metrics(files["metrics"][run]) for run in runs if run in files["metrics"]},
        configs={run: read_yaml(files["configs"][run]) for run in runs if run in files["configs"]},
        quality=_rows(files["quality"], quality.COLUMNS, used),
        confusion=_rows(files["confusion"], quality.CONFUSION_COLUMNS, used),
        agreement=_rows(files["agreement"], agreement.COLUMNS),
        data=[_data_set(name, files) for name in files["speakers"]],
        left_out=_left_out(files["left_out"]),
        samples=sample.read_facts(sources.stages["samples"]) if "samples" in sources.stages else {},
        provenance={name: provenance.read(folder) for name, folder in sources.stages.items()},
    )


def _measured(name: str, folders: list[Path]) -> Measured:
    """Read all scores by one measure; UserError where runs were not scored alike."""
    scores.check_comparable(folders, measures.of_folder(name, "report").made_by)
    tables = (scores.FILE_NAME, scores.SPEAKERS_FILE, scores.PAIRS_FILE)
    rows, speakers, pairs = ([row for folder in folders for row in scores.read(folder, table)] for table in tables)
    for row in (*rows, *speakers, *pairs):
        # A model from elsewhere has no updates: it counts as scored at 0.
        row["update"] = "0" if row["update"] == "-" else row["update"]
    return Measured(name, rows, speakers, pairs, provenance.read(folders[0])["settings"])


def _rows(files: dict[str, Path], columns: tuple[str, ...], first: Iterable[str] = ()) -> list[dict[str, str]]:
    """Of the label sets in the order in which the study's runs use them, then of others."""
    return [row for name in dict.fromkeys([*first, *files]) if name in files for row in tsv.read(files[name], columns)]


def _left_out(files: dict[str, Path]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, path in files.items():
        run, _, measure = name.removesuffix(scores.LEFT_OUT).rpartition("/")
        found.setdefault(measure, {})[run] = " ".join(_lines(path))
    return found


def read_metrics(path: Path) -> list[dict]:
    """A metrics.jsonl in the order of updates; a resumed run may repeat an update, then the later record counts."""
    records = {}
    lines = _lines(path)
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            key = (int(record["update"]), str(record["split"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            if number == len(lines):  # a line that is still being written, or that a crash cut off
                continue
            raise UserError(
                f"{path}:{number}: expected a JSON record with update and split, found '{line[:60]}'"
            ) from None
        records[key] = record
    return [records[key] for key in sorted(records)]


def _data_set(name: str, files: dict[str, dict[str, Path]]) -> DataSet:
    speakers = [line.split()[1] for line in _lines(files["speakers"][name]) if len(line.split()) == 2]
    lengths, unaligned, shared = (files[kind].get(name) for kind in ("lengths", "unaligned", "shared_speakers"))
    return DataSet(
        name,
        len(speakers),
        frames.hours(sum(int(line.split()[1]) for line in _lines(lengths))) if lengths else None,
        len(set(speakers)),
        len(_lines(unaligned)) if unaligned else None,
        dict(line.split(maxsplit=1) for line in _lines(shared)) if shared else {},
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path}: expected UTF-8 text, found other bytes: it is damaged. Move it away") from None
