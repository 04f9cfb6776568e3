"""A measure is one file and a line of an analysis, an objective one file and a line of a study: both reach the page.

All through entry points, as the stages call them.
"""

import csv

import numpy as np
import pytest
import yaml
from tiny import ROOT, Corpus

from hubert_iter.analysis import frame_sample, measures, pool, sample
from hubert_iter.bin import pool_layers, report, sample_segments, score, train
from hubert_iter.data import alignment, datadir
from hubert_iter.data.alignment import Segment
from hubert_iter.data.audio import read_audio
from hubert_iter.feats.layers import open_model
from hubert_iter.models import objectives

OBJECTIVE = '''
"""Tell the convolutions' output at masked frames."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from hubert_iter.models.objective import Frames, Objective, Outcome
from hubert_iter.models.settings import ObjectiveSettings, Sizes


@dataclass(frozen=True)
class Settings(ObjectiveSettings):
    needs_labels = False

    def build(self, sizes: Sizes):
        return Regress(sizes, self)


class Regress(Objective):
    """Squared error."""

    def __init__(self, sizes: Sizes, settings: Settings):
        super().__init__(settings)
        self.output = nn.Linear(sizes.width, sizes.channels)

    def forward(self, frames: Frames) -> Outcome:
        told = self.output(frames.at_masked(frames.encoded)).float()
        return Outcome({"masked": F.mse_loss(told, frames.at_masked(frames.features).detach().float())}, {})
'''

MEASURE = '''
"""How long a layer's vectors are."""

from dataclasses import dataclass

import numpy as np

from hubert_iter.analysis.measure import FACT, Measure, Metric, Row, Scored
from hubert_iter.options import option


@dataclass(frozen=True)
class Settings:
    """Which length."""

    order: float = option(2.0, "of the norm", least=1)


class Norm(Measure):
    """Mean norm of single frames."""

    title = "How long vectors are"
    text = ("Longer is not better.",)
    order = 300
    metrics = (Metric("norm", "mean norm", lines=("unit",)),)
    facts = {"num_frames": "frames that were measured"}
    Settings = Settings

    def score(self, material, settings):
        taps = material.layers.taps
        lengths = {tap: np.linalg.norm(material.layers.frames(tap), settings.order, axis=1).mean() for tap in taps}
        rows = [Row(tap, "frame", "norm", 0, 0, float(length)) for tap, length in lengths.items()]
        facts = {"num_frames": len(material.frames), "unit": 1.0}
        return Scored([*rows, *(Row(FACT, "frame", name, 0, None, value) for name, value in facts.items())])
'''

MODEL = {
    "conv_channels": 8, "width": 16, "layers": 2, "heads": 2, "feedforward": 32, "position_kernel": 8,
    "position_groups": 2,
}  # fmt: skip
FILES = {
    "model/small": MODEL,
    "study/s": {"model": "small", "train": "debug", "updates": 6, "runs": {"mine": {"objective": "regress"}}},
    "analysis/lengths": {"segments": {"frames": 1000, "sample_sets": 1}, "measures": {"norm": {"order": 1}}},
}


def call(entry, **options) -> None:
    given = {name: value if isinstance(value, list) else [value] for name, value in options.items()}
    entry.main([word for name, values in given.items() for word in (f"--{name}", *map(str, values))])


@pytest.fixture
def conf(tmp_path):
    """Folders of the configuration: one with FILES, then the project's."""
    for name, values in FILES.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
    return [tmp_path / "conf", ROOT / "conf"]


@pytest.fixture
def alignments(tmp_path, corpus: Corpus):
    """Two phones in turn, and a word of both, on the held-out utterances."""
    folder = tmp_path / "alignments"
    folder.mkdir()
    names = [utterance.id for utterance in datadir.read(corpus.valid_data).utterances]
    phones = [Segment(name, 0.1 * n, 0.1 * (n + 1), "ab"[n % 2]) for name in names for n in range(20)]
    words = [Segment(name, 0.2 * n, 0.2 * (n + 1), ("one", "two")[n % 2]) for name in names for n in range(10)]
    for tier, segments in (("phones", phones), ("words", words)):
        alignment.write_ctm(folder / f"{tier}.ctm", segments)
    (tmp_path / "text").write_text("x one two\n")
    return folder


def test_a_further_objective_and_measure_reach_the_page(tmp_path, corpus: Corpus, conf, alignments, extend):
    (extend(objectives) / "regress.py").write_text(OBJECTIVE)
    (extend(measures) / "norm.py").write_text(MEASURE)
    study, exp, data = tmp_path / "conf/study/s.yaml", tmp_path / "exp/s", corpus.valid_data
    analysis = {"analysis": "lengths", "conf_dirs": conf}
    call(
        train, study=study, name="mine", conf_dirs=conf, out=exp / "mine", data=corpus.data, valid_data=data
    )  # fmt: skip
    given = {"data": data, "alignments": alignments}
    call(sample_segments, **given, train_text=tmp_path / "text", out=exp / "samples", **analysis)
    for name, model in (("mfcc", "mfcc"), ("mine", exp / "mine/model")):
        folders = {"layers": exp / name / "layers", "samples": exp / "samples"}
        call(pool_layers, model=model, data=data, samples=exp / "samples", out=folders["layers"], name=name)
        call(score, **folders, model=model, **given, out=exp / name / "measures", nj=1, **analysis)
    call(report, study=study, expdir=exp, dumpdir=tmp_path / "dump/s", out=exp / "report")

    # What was drawn and pooled is what the model gives.
    utterances = datadir.read(data).utterances
    assert sample.read_speakers(exp / "samples") == {utterance.id: utterance.speaker for utterance in utterances}
    frames = frame_sample.read(exp / "samples")
    assert 300 < len(frames) <= 1000
    model = open_model(exp / "mine/model")
    taps = {utterance.id: model.taps(read_audio(utterance)) for utterance in utterances}
    layers = pool.read(exp / "mine/layers")
    for tap in layers.taps:
        wanted = [taps[name][tap][number] for name, number in zip(frames.utterances, frames.numbers, strict=True)]
        np.testing.assert_allclose(layers.frames(tap), np.stack(wanted), atol=1e-6)

    # The page: a section by the measure's own words, its figure, its table, its facts, its settings.
    page = (exp / "report/index.html").read_text()
    section = page[page.index('<h2 id="norm">How long vectors are</h2>') :].split("<h2")[1]
    for words in ("Longer is not better.", "Settings: order=1.0.", "frame: mean norm", "frames that were measured"):
        assert words in section, words
    assert section.count("<svg") == 1 and (exp / "report/figures/norm_norm_frame.svg").is_file()
    with open(exp / "report/scores.tsv", newline="") as file:
        rows = {(row["run"], row["layer"]): row for row in csv.DictReader(file, delimiter="\t") if row["layer"] != "-"}
    assert set(rows) == {("mfcc", "features"), *(("mine", tap) for tap in ("conv", "0", "1", "2"))}
    assert {(row["measure"], row["property"], row["metric"]) for row in rows.values()} == {("norm", "frame", "norm")}
    for tap in layers.taps:
        length = np.abs(layers.frames(tap)).sum(axis=1).mean()
        assert float(rows["mine", tap]["value"]) == pytest.approx(length, rel=1e-6)
        assert f"<td>{tap}</td>" in section and f">{length:.3f}</td>" in section
    assert rows["mine", "1"]["update"] == "6" and "mine" in page[page.index('<h2 id="training">') :]
