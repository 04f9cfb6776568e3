"""The report from small made-up results: complete, incomplete, malformed, repeated."""

import json
import math
import re
import shutil
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hubert_iter import provenance, tsv
from hubert_iter.analysis import sample, scores
from hubert_iter.analysis.learning import GUESSES
from hubert_iter.analysis.measure import FACT, Metric, Row, Scored, SpeakerRow
from hubert_iter.analysis.measures import recognition
from hubert_iter.analysis.pool import Layers
from hubert_iter.bin import report
from hubert_iter.errors import UserError
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.report import content, curves, figures, read, sentences, style, tables, training_figures, write
from hubert_iter.units import quality

STUDY = """model: tiny
question: Are 2 iterations < 3?
train: mini
runs:
  random: {objective: none}
  hubert_it1: {objective: hubert, targets: mfcc, k: 100, updates: 2000}
  hubert_it2: {objective: hubert, targets: hubert_it1@2, k: 100, updates: 2000}
"""
RUNS = ("random", "hubert_it1", "hubert_it2")
LAYERS = ("conv", "0", "1", "2", "3")
CLASSES = {"phone": 39, "word": 500, "speaker": 40}


def make_study(root: Path) -> list[str]:
    """Lay out the results of a small study below `root`; return the options of the report."""
    (root / "study.yaml").write_text(STUDY)
    for number, run in enumerate(RUNS):
        updates = [1000, 2000] if run == "hubert_it2" else [2000 * (number > 0)]
        add_scores(root / "exp/toy" / run / "measures/cca", run, updates, 0.1 * number)
        if number:
            add_training(root / "exp/toy" / run, number)
    add_labels(root / "dump/toy/units", {"mfcc_k100": 0.31, "hubert_it1@2_k100": 0.42})
    folder = root / "exp/toy/agreement"
    folder.mkdir()
    (folder / "scores.tsv").write_text(
        "labels_a\tlabels_b\tmetric\tvalue\n"
        "mfcc_k100\thubert_it1@2_k100\tnmi\t0.41\n"
        "mfcc_k100\thubert_it1@2_k100\tentropy_a_given_b\t2.5\n"
    )
    for name, count in (("train", 30), ("eval", 6)):
        add_data(root / "dump" / "data" / name, count)
    out = root / "exp/toy/report"
    return [
        "--study", str(root / "study.yaml"), "--expdir", str(root / "exp/toy"), "--dumpdir", str(root / "dump/toy"),
        "--out", str(out), "--title", "Toy <study>", "--data_note", "synthetic speech; its speakers are easy to tell",
    ]  # fmt: skip


def add_scores(folder: Path, run: str, updates: list, gain: float, taps: Sequence[str] = LAYERS) -> None:
    """Scores with 3 sample sets and 3 trials whose spread is known."""
    rows = ["run\tupdate\tlayer\tproperty\tmetric\tsample_set\ttrial\tvalue"]
    for update in updates:
        for prop, classes in CLASSES.items():
            for layer, tap in enumerate(taps):
                sign = -1 if prop == "speaker" else 1
                level = 0.3 + sign * gain * math.sin(layer / 2) + (update if update != "-" else 0) / 50000
                for number in range(9):
                    jitter = 0.01 * (number - 4) / 4
                    where = f"{number // 3}\t{number % 3}"
                    values = {"pwcca": level + jitter, "mean_cca": level + jitter, "null_pwcca": jitter}
                    for metric, value in values.items():
                        rows.append(f"{run}\t{update}\t{tap}\t{prop}\t{metric}\t{where}\t{value:.6f}")
            for sample_set in range(3):
                for metric, value in (("num_instances", 6000), ("num_classes", classes), ("ceiling", 1 - 1 / classes)):
                    rows.append(f"{run}\t{update}\t-\t{prop}\t{metric}\t{sample_set}\t-\t{value}")
    folder.mkdir(parents=True)
    (folder / "scores.tsv").write_text("\n".join(rows) + "\n")
    provenance.write(folder, "score", {"measure": "cca", "run": run, "seed": 0, "trials": 3}, {})


def add_recognition(exp: Path, run: str, variant: str, what: str, **settings: str) -> None:
    """An error rate of all layers together, and a weight for each."""
    weights = {} if run in BASELINES else dict(zip(LAYERS[1:], (0.1, 0.2, 0.3, 0.4), strict=True))
    folder = exp / run / f"measures/recognition.{variant}"
    folder.mkdir(parents=True)
    found = recognition.scored(what, 0.5, {"s1": 0.49, "s2": 0.52}, weights)
    scores.write(folder, Layers(folder, LAYERS, 2000, run), found)
    provenance.write(
        folder, "asr_measure", {"measure": "recognition", "run": run, "recogniser": variant} | settings, {}
    )


FACTS = {"abx_tokens": 3068, "abx_phones": 39, "abx_speakers": 10, "abx_within_triples": 7_000_000, "chance": 0.5}


def add_abx(exp: Path, run: str, gain: float, context: str = "any", without: str = "") -> None:
    """ABX errors that fall towards layer 2, more across speakers than within; without a speaker by 0.01 n more."""
    rows, speakers = [], []
    for layer, tap in enumerate(LAYERS):
        for metric, level in (("abx_within", 0.30), ("abx_across", 0.35)):
            error = level - gain * math.sin(layer / 2)
            rows.append(Row(tap, "phone", metric, 0, 0, error))
            speakers += [SpeakerRow(tap, "phone", metric, f"s{n}", error + 0.01 * n) for n in range(-2, 3)]
    rows += [Row(FACT, "phone", metric, 0, None, float(value)) for metric, value in FACTS.items()]
    rows, speakers = ([row for row in each if row.metric != without] for each in (rows, speakers))
    folder = exp / run / "measures/abx"
    folder.mkdir(parents=True)
    scores.write(folder, Layers(folder, LAYERS, 2000, run), Scored(rows, speakers))
    provenance.write(folder, "score", {"measure": "abx", "run": run, "context": context}, {})


def add_training(folder: Path, number: int) -> None:
    """A falling loss and rising accuracy, and the run's settings."""
    records = []
    for update in range(50, 2001, 50):
        common = {"update": update, "hours": update / 100, "seconds": 2.0 * update, "chance": 0.02}
        done = 1 - math.exp(-update / 800)
        guesses = {f"guess_{name}": 0.05 for name in GUESSES} | {
            "guess": 0.06,
            "guess_copy": 0.06,
            "guess_margin": 0.01,
        }
        records.append(common | {"split": "train", "loss": 4.6 - done, "accuracy": 0.02 + 0.2 * done * number})
        if update % 250 == 0:
            accuracy = 0.02 + 0.18 * done * number
            guesses["uses_context"] = float(accuracy > 0.07)
            records.append(common | {"split": "valid", "loss": 4.7 - done, "accuracy": accuracy} | guesses)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "config.yaml").write_text(
        f"model: {{num_layers: 3, width: 192}}\ntrain: {{learning_rate: 0.001}}\nrun: {{updates: {1000 * number}}}\n"
    )


def add_labels(units: Path, pnmi: dict[str, float]) -> None:
    """Quality of label sets on the evaluation set."""
    for labels, value in pnmi.items():
        folder = units / labels / "quality"
        folder.mkdir(parents=True)
        scores = {"cluster_purity": 0.1, "phone_purity": value + 0.1, "pnmi": value, "used_clusters": 98}
        scores["speaker_share"] = 0.2517
        (folder / "scores.tsv").write_text(
            "labels\tset\tmetric\tvalue\n" + "".join(f"{labels}\teval\t{a}\t{b}\n" for a, b in scores.items())
        )
        # A single token of zh, and many of aa: the merge of aa is the more frequent one.
        shares = (("aa", "aa", value, 400), ("aa", "ah", 1 - value, 600), ("zh", "sh", 1.0, 2))
        (folder / "confusion.tsv").write_text(
            "labels\tset\tphone\tread_as\tshare\tframes\n"
            + "".join(f"{labels}\teval\t{a}\t{b}\t{c}\t{d}\n" for a, b, c, d in shares)
        )
        provenance.write(folder, "score_labels", {"name": labels}, {})


def add_data(folder: Path, count: int) -> None:
    """A data directory of `count` utterances of a minute by three speakers, two of them without alignment."""
    folder.mkdir(parents=True)
    names = [f"s{number % 3}-{number:03d}" for number in range(count)]
    (folder / "utt2spk").write_text("".join(f"{name} {name[:2]}\n" for name in names))
    (folder / "utt2num_samples").write_text("".join(f"{name} {16000 * 60}\n" for name in names))
    alignments = folder.parent.parent / "alignments" / folder.name
    alignments.mkdir(parents=True)
    (alignments / "missing.txt").write_text("".join(f"{name}\n" for name in names[:2]))


class Page(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: str):
        super().__init__()
        self.text, self.tags, self.ids, self.links = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Keep tags, ids and addresses."""
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.links.append(value)

    def handle_data(self, data):
        """Keep the text."""
        self.text.append(data)


@pytest.fixture
def options(tmp_path) -> list[str]:
    """Options of the report of a complete small study."""
    return make_study(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> list[str]:
    """Options of a report that has been made; tests must not change it."""
    options = make_study(tmp_path_factory.mktemp("finished"))
    report.main(options)
    return options


def folder_of(options: list[str]) -> Path:
    """The report's folder."""
    return Path(options[options.index("--out") + 1])


def test_page_is_complete_and_self_contained(finished):
    page = Page((folder_of(finished) / "index.html").read_text())
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") for link in page.links) and "script" not in page.tags and "img" not in page.tags
    assert {link[1:] for link in page.links} <= set(page.ids)
    # 3 properties, 3 heat maps, 4 training panels, 4 label panels, 1 agreement matrix, 1 of phones that survive
    assert page.tags.count("svg") == 16
    text = "".join(page.text)
    assert "The paper's findings in this study" in text and "final layer below the best one" in text
    assert "Toy <study>" in text and "synthetic speech" in text and "Not in this report" not in text
    assert text.index("Are 2 iterations < 3?") < text.index("synthetic speech")
    for words in (
        "ceiling 0.974",
        "share of the speaker's entropy",
        "0.252",
        "shuffled labels",
        "hubert_it1@2_k100",
        "mfcc, k=100",
        "0.50",
        "zh → sh 2 (1.00)",
        "masked accuracy (%)",
        "1 h 06 min",
    ):
        assert words in text, words


def test_one_trained_on_speaker_and_what_it_leaves_unscored_head_the_page(options, tmp_path):
    folder = tmp_path / "exp/toy/samples"
    folder.mkdir()
    facts = dict(zip(sample.FACTS, (39, 39, 39, 0, 3), strict=True))
    speakers = dict(zip(sample.FACTS, (1, 1, 0, 1, 3), strict=True))
    (folder / "facts.json").write_text(json.dumps({"phone": facts, "word": facts, "speaker": speakers}))
    provenance.write(folder, "sample_segments", {}, {})
    shared = tmp_path / "dump/data/eval/shared_speakers.txt"
    shared.write_text("s0 train\ns1 train\n")
    for run, why in (("mfcc", "no blocks here"), ("random", "too few speakers"), ("hubert_it1", "too few speakers")):
        (tmp_path / f"exp/toy/{run}/measures").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"exp/toy/{run}/measures/subspaces{scores.LEFT_OUT}").write_text(why + "\n")
    add_abx(tmp_path / "exp/toy", "random", 0.1, without="abx_across")
    report.main(options)
    text = "".join(Page((folder_of(options) / "index.html").read_text()).text)
    top = text[: text.index("At a glance")]
    for words in (
        "2 of 3 speakers of eval are in train too",
        "The evaluation set has one speaker.",
        "Not scored: speaker identity. It takes two speakers with 3 instances each; the evaluation set has 1.",
        "(subspaces): too few speakers.",
        "Not scored: ABX error across speakers. It takes two evaluation speakers",
    ):
        assert words in top, words
    assert "no blocks here" not in text
    shared.write_text("s0 train\ns1 train\ns2 train\n")
    report.main(options)
    assert "All speakers (3) of eval" in (folder_of(options) / "index.html").read_text()


def test_scores_keep_every_row(finished):
    rows = tsv.read(folder_of(finished) / "scores.tsv", ("measure", *scores.COLUMNS))
    exp = folder_of(finished).parent
    written = [line for run in RUNS for line in (exp / run / "measures/cca/scores.tsv").open()][1:]
    assert len(rows) == len(written) - (len(RUNS) - 1)
    assert [row["run"] for row in rows] == sorted((row["run"] for row in rows), key=RUNS.index)
    labels = tsv.read(folder_of(finished) / "labels.tsv", quality.COLUMNS)
    assert [row["value"] for row in labels if row["metric"] == "pnmi"] == ["0.31", "0.42"]


def test_report_is_identical_when_repeated(finished, tmp_path):
    other = [*finished]
    other[other.index("--out") + 1] = str(tmp_path / "elsewhere")
    report.main(other)
    assert provenance.read(tmp_path / "elsewhere")["id"] == provenance.read(folder_of(finished))["id"]


def test_report_is_redone_only_when_something_it_shows_changed(options, monkeypatch):
    written = []
    monkeypatch.setattr(write, "write", lambda *args: written.append(args))
    report.main(options)
    report.main(options)
    assert len(written) == 1
    metrics = folder_of(options).parent / "hubert_it1" / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace('"loss": 4.', '"loss": 3.'))
    report.main(options)
    report.main([*options, "--data_note", "another"])
    assert len(written) == 3
    (folder_of(options).parent / "hubert_it1" / "checkpoints").mkdir()
    report.main([*options, "--data_note", "another"])
    assert len(written) == 3


def test_nothing_but_the_study_file(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    report.main(
        ["--study", str(tmp_path / "study.yaml"), "--expdir", str(tmp_path / "exp"), "--dumpdir",
         str(tmp_path / "dump/toy"), "--out", str(tmp_path / "out")]
    )  # fmt: skip
    text = (tmp_path / "out" / "index.html").read_text()
    for words in ("No scores of random", "No training record of hubert_it1", "No label quality"):
        assert words in text
    assert "No training record of random" not in text
    assert "No scores yet" in (tmp_path / "out" / "RESULTS.md").read_text()


def test_summary_has_one_row_per_layer_and_the_sentences(finished):
    text = (folder_of(finished) / "RESULTS.md").read_text()
    table = text[text.index("phone: PWCCA") :].split("\n\n")[1].splitlines()
    assert [line.split("|")[1].strip() for line in table[2:]] == [*LAYERS, "shuffled labels"]
    assert len({line.count("|") for line in table}) == 1
    assert text.startswith("# Toy <study>\n\nAre 2 iterations \\< 3?\n")
    assert "The labels hubert\\_it1@2\\_k100 have a PNMI of 0.420" in text
    assert text.index(sentences.LEARNING) < text.index("**Phones**")
    picture = re.search(r"\]\((figures/.*?)\)", text).group(1)
    assert (folder_of(finished) / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("0.31", "high"), r"scores\.tsv:4: expected a number as value, found 'high'"),
        (("labels\tset", "set"), r"scores\.tsv:1: expected the columns labels set metric value"),
        (("eval\tpnmi", "pnmi"), r"scores\.tsv:4: expected 4 columns, found 3"),
    ],
)
def test_malformed_tables_are_refused_with_file_and_line(options, change, message):
    path = folder_of(options).parents[2] / "dump/toy/units/mfcc_k100/quality/scores.tsv"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(UserError, match=message):
        report.main(options)
    assert not folder_of(options).exists()


def test_a_metrics_line_cut_off_by_a_crash_is_left_out(tmp_path):
    make_study(tmp_path)
    path = tmp_path / "exp/toy/hubert_it1/metrics.jsonl"
    sources = read.find(tmp_path / "study.yaml", tmp_path / "exp/toy", tmp_path / "dump/toy")
    before = read.read(sources).metrics
    path.write_text(path.read_text() + '{"update": 2050, "spl')
    assert read.read(sources).metrics == before
    path.write_text(path.read_text() + '\n{"update": 2050, "split": "train"}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl:49: expected a JSON record"):
        read.read(sources)


def test_models_without_updates_and_outside_the_study_are_shown_last(tmp_path):
    make_study(tmp_path)
    add_scores(tmp_path / "exp/toy/a_model/measures/cca", "a_model", ["-"], 0.0)
    results = read.read(read.find(tmp_path / "study.yaml", tmp_path / "exp/toy", tmp_path / "dump/toy"))
    assert results.runs == (*RUNS, "a_model")
    assert curves.from_scores(results.cca, results.specs).updates("a_model") == [0]


def test_points_have_the_mean_and_interval_of_nine_trials(tmp_path):
    make_study(tmp_path)
    results = read.read(read.find(tmp_path / "study.yaml", tmp_path / "exp/toy", tmp_path / "dump/toy"))
    found = curves.from_scores(results.cca, results.specs)
    point = found.last("hubert_it2", "phone", "pwcca")["1"]
    level = 0.3 + 0.2 * math.sin(1.0) + 2000 / 50000  # at the last of two updates, second layer after conv
    assert (
        point.networks == (point.mean,) and point.mean == pytest.approx(level, abs=1e-6) and 0.003 < point.half < 0.02
    )
    assert found.facts["word"]["num_classes"] == (500.0,)
    assert found.layers(results.runs, "phone", "pwcca") == list(LAYERS)


def test_a_measure_has_a_section_only_where_it_was_scored(finished, options, tmp_path):
    assert "ABX" not in (folder_of(finished) / "index.html").read_text()
    for number, run in enumerate(RUNS[1:], 1):
        add_abx(tmp_path / "exp/toy", run, 0.1 * number)
    report.main(options)
    html = (folder_of(options) / "index.html").read_text()
    page = Page(html)
    assert page.tags.count("svg") == 16 + 2
    text = "".join(page.text)
    for words in ("Phone ABX: a second opinion", "Settings: context=any.", "chance 0.500", "3,068", "7,000,000"):
        assert words in text, words
    summary = (folder_of(options) / "RESULTS.md").read_text()
    # 0.30 - 0.2 sin(1.5) in layer 2, the fourth tap; 0.30 - 0.2 sin(2) in the last one; lower is better
    assert re.search(r"^\| hubert\\_it2 .*\| 0.10\d \(2\) \| 0.118 \| 0.15\d \(2\) \| 0.168 \|$", summary, re.M)
    # The jackknife: (5 - 1) / 5 of the sum of squares of 0.01 n is 0.0283^2; t of 4 degrees of freedom is 2.776.
    assert re.search(r'<td>2</td>.*?<td class="strong">0.10\d ± 0.079</td></tr>', html)
    rows = tsv.read(folder_of(options) / "scores.tsv", ("measure", *scores.COLUMNS))
    assert {row["measure"] for row in rows if row["metric"] == "abx_across"} == {"abx"}
    assert len([row for row in rows if row["metric"] == "abx_across"]) == 2 * len(LAYERS)
    assert {row["run"] for row in rows} == set(RUNS)


def test_recognisers_stand_side_by_side_and_layer_weights_beside_the_cca_curves(options, tmp_path):
    """A call of asr.sh for phones of all networks, another one for words of one alone."""
    exp = tmp_path / "exp/toy"
    for run in ("logmel", *RUNS):
        add_recognition(exp, run, "ctc_greedy_eval", "phone")
    for run in ("logmel", "hubert_it2"):
        add_recognition(exp, run, "rnn_beam10_ctc0.3_eval", "word")
    report.main(options)
    html = (folder_of(options) / "index.html").read_text()
    sections = {part.partition('"')[0]: part for part in html.split('<h2 id="')[1:]}
    phones, words = (sections[f"recognition.{name}"] for name in ("ctc_greedy_eval", "rnn_beam10_ctc0.3_eval"))
    for section, what in ((phones, "phone"), (words, "word")):
        assert section.count("<svg") == 1
        assert f'aria-label="{what}: error rate' in section
        assert f'aria-label="{what}: learnt weight' in sections["cca"]
    assert sections["cca"].count("<svg") == len(CLASSES) + 2
    assert "random" in phones.split("<table")[1] and "random" not in words.split("<table")[1].partition("hubert_it2")[2]
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    rows = tsv.read(folder_of(options) / "scores.tsv", ("measure", *scores.COLUMNS))
    assert {(row["run"], row["property"]) for row in rows if row["metric"] == "error_rate"} == {
        *((run, "phone") for run in ("logmel", *RUNS)), ("logmel", "word"), ("hubert_it2", "word"),
    }  # fmt: skip


def test_layer_weights_without_cca_scores_are_drawn_in_their_own_section(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    for run in RUNS:
        add_recognition(tmp_path / "exp", run, "ctc_greedy_eval", "phone")
    results = read.read(read.find(tmp_path / "study.yaml", tmp_path / "exp", tmp_path / "dump"))
    made = content.build(results, tmp_path / "figures", "title", "")
    drawn = {drawing.name.rpartition("eval_")[2]: drawing.section for drawing in made.drawings}
    assert drawn["layer_weight_phone"] == drawn["error_rate_phone"] == "recognition.ctc_greedy_eval"


def test_recognisers_of_another_kind_are_refused_and_the_recipe_that_mends_it_is_named(options, tmp_path):
    for run, made_from in (("hubert_it1", "a"), ("hubert_it2", "b")):
        add_recognition(tmp_path / "exp/toy", run, "ctc_greedy_eval", "phone", made_from=made_from)
    with pytest.raises(UserError, match=r"hubert_it2/measures/recognition.ctc_greedy_eval.*Run asr\.sh"):
        report.main(options)


def test_scores_with_other_settings_are_refused(options, tmp_path):
    add_abx(tmp_path / "exp/toy", "hubert_it1", 0.1)
    add_abx(tmp_path / "exp/toy", "hubert_it2", 0.1, context="within")
    with pytest.raises(UserError, match=r"hubert_it2/measures/abx: scored on other segments, .* than .*hubert_it1"):
        report.main(options)
    assert not folder_of(options).exists()


def test_scores_of_other_segments_are_refused(options, tmp_path):
    for number, run in enumerate(RUNS[1:]):
        samples = tmp_path / f"samples{number}"
        samples.mkdir()
        (samples / "file").write_text(str(number))
        provenance.write(samples, "sample_segments", {}, {})
        add_abx(tmp_path / "exp/toy", run, 0.1)
        folder = tmp_path / "exp/toy" / run / "measures/abx"
        provenance.write(folder, "score", {"run": run}, {"samples": samples, "layers": folder / "scores.tsv"})
    with pytest.raises(UserError, match="scored on other segments, or with other settings"):
        report.main(options)


@pytest.mark.parametrize("kept", ["hubert_it1/measures/cca.edited1", "hubert_it1.edited1/measures/cca"])
def test_what_was_kept_of_an_edited_folder_is_not_shown(options, tmp_path, kept):
    exp = tmp_path / "exp/toy"
    shutil.copytree(exp / "hubert_it1/measures/cca", exp / kept)
    sources = read.find(tmp_path / "study.yaml", exp, tmp_path / "dump/toy")
    assert sources.measured == {"cca": [exp / run / "measures/cca" for run in sorted(RUNS)]}
    assert not any("edited" in name for name in sources.inputs())


def test_features_without_a_network_are_lines_before_all_runs(options, tmp_path):
    for name in ("mfcc", "logmel"):
        folder = tmp_path / "exp/toy" / name / "measures/cca"
        add_scores(folder, name, [0], 0.0, taps=("features",))
    results = read.read(read.find(tmp_path / "study.yaml", tmp_path / "exp/toy", tmp_path / "dump/toy"))
    assert results.runs == ("mfcc", "logmel", *RUNS)
    made = content.build(results, tmp_path / "figures", "title", "")
    section = next(section for section in made.sections if section.name == "cca")
    table = next(table for table in section.tables if table.caption.startswith("phone: PWCCA"))
    assert table.header == ["layer", "mfcc", "logmel", *RUNS]
    assert [row[0] for row in table.rows] == ["features", *LAYERS, "shuffled labels"]
    assert [cell == tables.NONE for cell in table.rows[0]] == [False] * 3 + [True] * 3
    # No finding is made of them, and they are not missing from the training.
    assert not any("mfcc" in sentence for _, group in made.answers for sentence in group if "labels" not in sentence)
    assert not any("logmel" in note for note in made.missing)


def test_a_missing_study_file_is_named(tmp_path):
    with pytest.raises(UserError, match="expected a study file"):
        read.find(tmp_path / "none.yaml", tmp_path, tmp_path)


def test_labels_are_text_and_no_formulas(tmp_path):
    canvas = figures.Canvas(tmp_path, [])
    with canvas.figure("labels", "labels", "of labels") as figure:
        figure.add_subplot().set_title(r"$\foo$ is text")
    (drawing,) = canvas.drawings
    assert r"$\foo$ is text" in drawing.svg


def test_labels_at_line_ends_keep_order_and_distance():
    heights = figures.spread([0.5, 0.5, 0.52, 0.95, 0.99, 0.1], 0.06)
    ordered = sorted(heights)
    assert all(b - a >= 0.06 - 1e-9 for a, b in zip(ordered, ordered[1:], strict=False))
    assert ordered[0] >= 0 and ordered[-1] <= 1 and heights[5] == pytest.approx(0.1)
    assert heights[0] < heights[2] < heights[3] < heights[4]


def test_thinning_keeps_the_mean():
    points = [(float(x), float(x % 7)) for x in range(1400)]
    thinned = training_figures.thin(points, 100)
    assert len(thinned) == 100
    assert sum(y for _x, y in thinned) / 100 == pytest.approx(sum(y for _x, y in points) / 1400)


def test_values_that_are_not_finite_are_not_drawn():
    records = [{"update": 1, "split": "train", "loss": math.nan}, {"update": 2, "split": "train", "loss": 1.0}]
    assert training_figures.series(records, "update", "loss", "train") == [(2.0, 1.0)]


def test_settings_that_differ_are_apart_from_shared_ones(options, tmp_path):
    results = read.read(read.find(tmp_path / "study.yaml", tmp_path / "exp/toy", tmp_path / "dump/toy"))
    different, shared = tables.settings_tables(results)
    assert different.rows == [["run.updates", "1000", "2000"]]
    assert ["train.learning_rate", "0.001"] in shared.rows


def test_training_settings_of_a_network_that_was_not_trained_are_no_difference(options, tmp_path):
    (tmp_path / "exp/toy/random/config.yaml").write_text("model: {width: 192}\nobjective: null\ntrain: null\n")
    results = read.read(read.find(tmp_path / "study.yaml", tmp_path / "exp/toy", tmp_path / "dump/toy"))
    different, shared = tables.settings_tables(results)
    assert ["train.learning_rate", "0.001"] in shared.rows
    assert ["run.updates", "–", "1000", "2000"] in different.rows


@pytest.mark.parametrize(("highest", "drawn"), [(0.3, False), (0.6, True)])
def test_a_ceiling_far_above_the_curves_does_not_flatten_them(highest, drawn):
    points = {"0": curves.Point(highest, math.nan, (highest,))}
    found = curves.Curves({("run", 1, "phone", "pwcca"): points}, {"phone": {"ceiling": (0.9, 0.97)}})
    look = figures.Look(["run"], style.line_styles(["run"], (), ()))
    axes = Figure().add_subplot()
    figures._Panel(axes, found, Metric("pwcca", "PWCCA", lines=("ceiling",)), "phone", look).draw(False)
    assert axes.get_ylim()[1] > 0.97 if drawn else axes.get_ylim()[1] < 0.4
    text = " ".join(text.get_text() for text in axes.texts)
    assert "0.970" in text and "0.900" in text and ("far above" in text) != drawn


def make_replicates(root: Path, learnt: bool = True) -> list[str]:
    """A small study of three networks a condition, whose networks differ by 0.01 and iterations by 0.1."""
    options = make_study(root)
    study = root / "study.yaml"
    study.write_text(study.read_text().replace("train: mini", "train: mini\nseeds: 3"))
    for number in (2, 3):
        for place, run in enumerate(RUNS[1:], 1):
            folder = root / "exp/toy" / f"{run}.{number}"
            add_scores(folder / "measures/cca", folder.name, [2000], 0.1 * place + 0.01 * number)
            add_training(folder, place if learnt else 0)
        first = f"mfcc_k100.{number}", f"hubert_it1.{number}@2_k100"
        add_labels(root / "dump/toy/units", {first[0]: 0.30 + 0.01 * number, first[1]: 0.41 + 0.01 * number})
    return options


def test_replicates_are_one_line_with_a_band_and_said_to_be_several(tmp_path):
    options = make_replicates(tmp_path)
    report.main(options)
    page = Page((folder_of(options) / "index.html").read_text())
    text = "".join(page.text)
    assert "From hubert_it1 to its next iteration hubert_it2 (3 and 3 networks), final-layer phone CCA: rises" in text
    assert "hubert_it2 (3 networks)" in text and "band its 95 % interval over networks" in text
    assert "How much networks differ" in text and "networks for 0.02" in text
    results = read.read(read.find(tmp_path / "study.yaml", tmp_path / "exp/toy", tmp_path / "dump/toy"))
    found = curves.from_scores(results.cca, results.specs)
    point = found.last("hubert_it2", "phone", "pwcca")["1"]
    assert len(point.networks) == 3 and point.mean == pytest.approx(sum(point.networks) / 3)
    table = tables.quality_table(results)
    assert [row[:3] for row in table.rows] == [["mfcc_k100", "eval", "3"], ["hubert_it1@2_k100", "eval", "3"]]
    assert "±" in table.rows[0][table.header.index("PNMI")]


def test_what_has_not_learnt_is_said_first_and_drawn_pale(tmp_path):
    make_replicates(tmp_path, learnt=False)
    for run in ("hubert_it1", "hubert_it1.2", "hubert_it1.3"):
        add_training(tmp_path / "exp/toy" / run, 0)
    results = read.read(read.find(tmp_path / "study.yaml", tmp_path / "exp/toy", tmp_path / "dump/toy"))
    made = content.build(results, tmp_path / "figures", "title", "")
    heading, said = made.answers[0]
    assert heading == sentences.LEARNING
    assert said[0].startswith("hubert_it1: none of 3 networks. 2.0 % of held-out masked frames right, 6.0 % by")
    assert "only 1 of 3" in said[1]
    assert made.styles["hubert_it1"].alpha < 1 and made.styles["hubert_it2"].alpha == 1
    others = [sentence for _heading, group in made.answers[1:] for sentence in group if "labels" not in sentence]
    assert others and not any(re.search(r"\bhubert_it1\b", sentence) for sentence in others)
    assert "NO" in [row[-1] for row in tables.training_table(results).rows]


def test_merges_are_ranked_by_frames(options, tmp_path):
    results = read.read(read.find(tmp_path / "study.yaml", tmp_path / "exp/toy", tmp_path / "dump/toy"))
    table = tables.merges_table(results)
    assert [row[1] for row in table.rows] == ["aa → ah 600 (0.69)", "zh → sh 2 (1.00)"]


def test_many_lines_have_a_legend_whatever_was_drawn():
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1])  # without a label
    figures.label_ends(axes, [(f"run{number}", 0.1 * number, style.series(number)) for number in range(9)])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [f"run{number}" for number in range(9)]
