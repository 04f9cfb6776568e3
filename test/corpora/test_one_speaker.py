"""A corpus of one speaker, in LJSpeech's layout and at its rate, from setup.sh to a report. Generated speech."""

import csv
import os
import re
import shutil
import subprocess
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from recipe_runs import RECIPE, end_of
from tiny import ROOT

from hubert_iter import provenance
from hubert_iter.data import datadir

# What a user writes below the template's options: relative paths, as Kaldi has them.
DATA = """
all=${datadir}/all
mkdir -p "${all}"
while IFS='|' read -r utterance words; do
    echo "${utterance} corpus/wavs/${utterance}.wav" >&3
    echo "${utterance} LJ" >&4
    echo "${utterance} ${words}" >&5
done <corpus/metadata.csv 3>"${all}/wav.scp" 4>"${all}/utt2spk" 5>"${all}/text"
cp corpus/phones.ctm corpus/words.ctm "${all}"
split() { python3 -m hubert_iter.bin.split_data --seed "${seed}" "$@"; }
split --data "${all}" --out "${datadir}/${eval_set}" --rest "${datadir}/others" --utterances 8
split --data "${datadir}/others" --out "${datadir}/${valid_set}" --rest "${datadir}/${train_set}" --utterances 4
"""
STUDY = {
    "model": "ci",
    "train": "ci",
    "updates": 20,
    "runs": {
        "random": {"objective": "none"},
        "hubert_it1": {"objective": "hubert", "targets": "mfcc", "k": 20},
    },
}
ANALYSIS = {
    "segments": {"sample_sets": 1, "max_per_speaker": 40, "frames": 5000, "speaker_chunk_seconds": 1.0},
    "measures": {name: {} for name in ("cca", "probe", "units", "subspaces")},
}
CAUTIONS = (
    "All speakers (1) of eval are in train too",
    "one speaker. Intervals cover",
    "Not scored: speaker identity",
)


def make_corpus(folder: Path) -> None:
    """Two channels at 22.05 kHz, with exact alignments."""
    from scipy.signal import resample_poly

    from hubert_iter.corpora import sentences, synth, voices
    from hubert_iter.data.alignment import write_ctm

    speaker = voices.draw_speakers(0, 2, 1)[0][0]
    (folder / "wavs").mkdir(parents=True)
    phones, words, lines = [], [], []
    text = cycle(sentence for group in sentences.LISTS[:6] for sentence in group)
    spoken = synth.speak(speaker, text, np.random.default_rng(0), "all")
    for _, utterance in zip(range(24), spoken, strict=False):
        samples = np.clip(resample_poly(utterance.samples, 441, 320), -1, 1)
        soundfile.write(folder / "wavs" / f"{utterance.id}.wav", np.stack([samples, samples], axis=1), 22050)
        phones, words = phones + utterance.phones, words + utterance.words
        lines.append(f"{utterance.id}|{utterance.text}\n")
    write_ctm(folder / "phones.ctm", phones)
    write_ctm(folder / "words.ctm", words)
    (folder / "metadata.csv").write_text("".join(lines))


def run(recipe: Path, *options: str) -> subprocess.CompletedProcess:
    """Run the recipe from another folder than its own."""
    settings = ("--study", "one", "--analysis", "one", "--baselines", "", "--portion", "1.0", "--nj", "2")
    return subprocess.run(
        [recipe / "run.sh", *settings, *options], cwd="/", env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
    )  # fmt: skip


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("one speaker") / "lj" / "ssl1"
    subprocess.run([ROOT / "egs/TEMPLATE/ssl1/setup.sh", folder], check=True, timeout=60)
    script = folder / "local/data.sh"
    script.write_text(script.read_text().partition('echo "ERROR')[0] + DATA)
    for name in ("model", "train", "analysis"):
        shutil.copytree(RECIPE / "conf" / name, folder / "conf" / name, dirs_exist_ok=True)
    (folder / "conf/study").mkdir(exist_ok=True)
    (folder / "conf/study/one.yaml").write_text(yaml.safe_dump(STUDY))
    (folder / "conf/analysis/one.yaml").write_text(yaml.safe_dump(ANALYSIS))
    make_corpus(folder / "corpus")
    return folder


def test_what_such_a_corpus_needs_is_said_before_any_training(recipe):
    rate = run(recipe, "--stop_stage", "2")
    assert rate.returncode == 1 and "--resample true" in rate.stdout, end_of(rate.stdout)
    assert "sox corpus/wavs/" in rate.stdout and "-r 16000 -c 1" in rate.stdout
    speaker = run(recipe, "--stop_stage", "2", "--resample", "true")
    assert speaker.returncode == 1 and "speaker LJ is also in dump/data/train" in speaker.stdout, end_of(speaker.stdout)
    assert "--same_speakers true" in speaker.stdout


def test_one_speaker_comes_to_a_report_that_says_what_it_cannot(recipe):
    options = ("--resample", "true", "--same_speakers", "true", "--stop_stage", "11")
    result = run(recipe, *options)
    assert result.returncode == 0, end_of(result.stdout)
    data = datadir.read(recipe / "dump/data/eval")
    assert all(utterance.wav.startswith(f"{recipe}/dump/data/eval/audio.ark:") for utterance in data.utterances)
    assert {utterance.start for utterance in data.utterances} == {None}
    assert (recipe / "dump/data/eval/shared_speakers.txt").read_text() == "LJ train\n"
    assert provenance.read(recipe / "dump/data/eval")["settings"]["same_speakers"] is True

    report = recipe / "exp/one/report"
    page, summary = (report / "index.html").read_text(), (report / "RESULTS.md").read_text()
    for words in CAUTIONS:
        assert words in page and words in summary
    assert "Directions of speakers and phones (subspaces): the phones sampled are of 1 speakers" in page
    with open(report / "scores.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert "phone" in {row["property"] for row in rows} and "speaker" not in {row["property"] for row in rows}
    assert "speaker_share" not in (report / "labels.tsv").read_text()
    # Without speakers intervals come from segments and splits.
    assert re.search(r"\| \**0\.\d+ ± 0\.\d+", summary) and not re.search(r"\bnan\b", page)

    again = run(recipe, *options[:4], "--stop_stage", "2")
    assert again.returncode == 0, end_of(again.stdout)
    assert ": making" not in again.stdout.partition("Stage 2")[2]  # stage 1 copies the tables anew
