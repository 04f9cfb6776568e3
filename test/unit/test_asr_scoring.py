"""Error rates, their intervals, and the table over a study."""

import random
from pathlib import Path

import numpy as np
import pytest

from hubert_iter import provenance, study
from hubert_iter.analysis import scores
from hubert_iter.asr import scoring, table
from hubert_iter.asr.weights import write_weights
from hubert_iter.bin import asr_measure
from hubert_iter.errors import UserError
from hubert_iter.report import curves, read

jiwer = pytest.importorskip("jiwer")


def distance(a: list[str], b: list[str]) -> int:
    """Levenshtein's, by its textbook recursion."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def made_text(seed: int, count: int = 12) -> dict[str, str]:
    rng = random.Random(seed)
    return {f"u{number:02d}": " ".join(rng.choices("abcde", k=rng.randint(1, 9))) for number in range(count)}


def test_rates_are_the_edit_distance_over_the_length_of_all_utterances():
    reference, found = made_text(1), made_text(2)
    speakers = {utt: f"s{int(utt[1:]) % 3}" for utt in reference}
    counted = scoring.count(reference, found, speakers, "phone")
    rate, without = scoring.rates(counted["phone"])
    edits = {utt: distance(reference[utt].split(), found[utt].split()) for utt in reference}
    lengths = {utt: len(reference[utt].split()) for utt in reference}
    assert rate == pytest.approx(sum(edits.values()) / sum(lengths.values()))
    for left_out, value in without.items():
        kept = [utt for utt in reference if speakers[utt] != left_out]
        assert value == pytest.approx(sum(edits[utt] for utt in kept) / sum(lengths[utt] for utt in kept))


def test_words_and_characters_are_counted_of_other_units():
    counted = scoring.count({"u": "ab cd"}, {"u": "ab"}, {"u": "s"}, "bpe")
    assert counted["word"]["s"] == scoring.Errors(2, 0, 1, 0)
    assert counted["character"]["s"] == scoring.Errors(5, 0, 3, 0)
    assert scoring.rates(counted["word"]) == (0.5, {})


def test_nothing_recognised_and_too_much():
    counted = scoring.count({"u": "a b", "v": "a"}, {"u": "", "v": "a a a"}, {"u": "s", "v": "t"}, "phone")
    assert counted["phone"]["s"].rate == 1
    assert counted["phone"]["t"].rate == 2


def test_an_utterance_that_was_not_decoded_is_named():
    with pytest.raises(UserError, match="u02"):
        scoring.count({"u01": "a", "u02": "b"}, {"u01": "a"}, {"u01": "s", "u02": "s"}, "phone")


def measure(root: Path, name: str, recogniser: Path, errors: Path, variant: str = "p_greedy", unit: str = "phone"):
    """As stage 5 of asr.sh does; the folder."""
    out = root / "exp" / name / f"measures/recognition.{variant}"
    asr_measure.main(
        ["--name", name, "--model", name, "--unit", unit, "--recogniser", str(recogniser), "--errors", str(errors)]
        + ["--settings", f"recogniser={variant}", "--out", str(out)]
    )
    return out


@pytest.fixture
def measured(tmp_path):
    """Folders of scores of a study's networks, as asr_measure writes them."""
    (tmp_path / "one.yaml").write_text(
        "model: tiny\ntrain: debug\nupdates: 1\nruns:\n  random: {objective: none}\n"
        "  hubert_it1: {objective: hubert, targets: mfcc, k: 5, seeds: 2}\n"
    )
    rates = {"mfcc": 0.9, "random": 0.7, "hubert_it1": 0.50, "hubert_it1.2": 0.54}
    folders = []
    for name, rate in rates.items():
        recogniser, errors = tmp_path / name / "model", tmp_path / name / "errors"
        for folder in (recogniser, errors):
            folder.mkdir(parents=True)
        write_weights(recogniser, {"features": 1.0} if name == "mfcc" else {"0": 0.2, "1": 0.8})
        each = {f"s{number}": scoring.Errors(1000, round(1000 * rate) + 10 * number - 15, 0, 0) for number in range(4)}
        scoring.write(errors, {"phone": each})
        for folder in (recogniser, errors):
            provenance.write(folder, "test", {}, {})
        folders.append(measure(tmp_path, name, recogniser, errors))
    return study.read(tmp_path / "one.yaml"), folders


def test_table_has_a_line_for_each_condition_with_intervals_over_networks_and_speakers(measured):
    found = table.build(*measured, "random")
    assert [name for name, _ in found.cells] == ["mfcc", "random", "hubert_it1"]
    cell = found.cells["hubert_it1", "phone"]
    assert cell.rate.mean == pytest.approx(0.52)
    assert cell.rate.networks == (2,)
    # Two networks 0.04 apart: Student's interval with one degree of freedom.
    assert cell.rate.half > 12.7 * 0.02
    assert cell.minus.mean == pytest.approx(-0.18)
    assert found.cells["random", "phone"].minus is None
    # Speakers are alike in both, so their spread is gone from the difference of two single networks.
    assert found.cells["mfcc", "phone"].minus.half == pytest.approx(0, abs=1e-9)
    assert found.cells["mfcc", "phone"].rate.half > 0.01


def test_without_the_reference_log_mel_or_mfcc_takes_its_place(measured):
    one_study, folders = measured
    assert table.build(
        one_study, [folder for folder in folders if "random" not in str(folder)], "random"
    ).reference == ("mfcc")


def test_markdown_has_a_row_for_each_condition(measured):
    lines = table.markdown(table.build(*measured, "random")).splitlines()
    assert len(lines) == 2 + 3
    assert len({line.count("|") for line in lines}) == 1


def test_without_anything_to_compare_with_there_is_no_column_of_differences(measured):
    one_study, folders = measured
    alone = table.build(one_study, [folder for folder in folders if "hubert" in str(folder)], "random")
    assert alone.reference == ""
    assert {line.count("|") for line in table.markdown(alone).splitlines()} == {4}


def test_weights_are_drawn_by_layer_and_rates_of_all_layers(measured):
    one_study, folders = measured
    rows = [row for folder in folders for row in scores.read(folder)]
    speakers = [row for folder in folders for row in scores.read(folder, scores.SPEAKERS_FILE)]
    found = curves.from_scores(read.Measured("recognition", rows, speakers, [], {}), one_study.runs)
    assert found.last("hubert_it1", "phone", "layer_weight")["1"].mean == pytest.approx(0.8)
    assert not found.last("mfcc", "phone", "layer_weight")
    assert found.last("hubert_it1", "phone", "error_rate")["all"].mean == pytest.approx(0.52)
    assert np.isfinite(found.last("random", "phone", "error_rate")["all"].half)


def test_a_second_call_for_one_network_adds_to_what_the_first_has_left(measured, tmp_path):
    from hubert_iter.asr.weights import write_weights

    one_study, folders = measured
    recogniser, errors = tmp_path / "random/words", tmp_path / "random/word_errors"
    for folder in (recogniser, errors):
        folder.mkdir()
    write_weights(recogniser, {"0": 0.5, "1": 0.5})
    scoring.write(errors, {"word": {"s": scoring.Errors(10, 3, 0, 0)}})
    for folder in (recogniser, errors):
        provenance.write(folder, "test", {}, {})
    words = measure(tmp_path, "random", recogniser, errors, "w_beam10_ctc0.3", "bpe")
    assert {what for _, what in table.build(one_study, [words], "random").cells} == {"word"}
    assert {what for _, what in table.build(one_study, [*folders, words], "random").cells} == {"phone", "word"}
    found = read.read(read.find(tmp_path / "one.yaml", tmp_path / "exp", tmp_path / "dump")).measured
    rates = {name: {row["run"] for row in each.rows if row["metric"] == "error_rate"} for name, each in found.items()}
    assert rates == {
        "recognition.p_greedy": {"mfcc", "random", "hubert_it1", "hubert_it1.2"},
        "recognition.w_beam10_ctc0.3": {"random"},
    }


def test_two_recognisers_of_words_have_a_column_each(measured, tmp_path):
    one_study, _ = measured
    folders = []
    for number, unit in enumerate(("bpe", "char")):
        errors = tmp_path / unit
        errors.mkdir()
        scoring.write(errors, {"word": {"s": scoring.Errors(10, 3 + number, 0, 0)}})
        provenance.write(errors, "test", {}, {})
        folders.append(measure(tmp_path, "random", tmp_path / "random/model", errors, unit, unit))
    found = table.build(one_study, folders, "random")
    assert {what: cell.rate.mean for (_, what), cell in found.cells.items()} == {"word (bpe)": 0.3, "word (char)": 0.4}


def test_recognisers_of_other_configurations_or_data_are_not_compared(measured, tmp_path):
    """As after a change of a YAML between a call for all networks and one for a single one."""
    one_study, folders = measured
    recogniser = tmp_path / "random/model"
    provenance.write(recogniser, "test", {"config": {"max_epoch": 9}}, {})
    measure(tmp_path, "random", recogniser, tmp_path / "random/errors")
    with pytest.raises(UserError, match="random/measures/recognition.p_greedy"):
        table.build(one_study, folders, "random")
    for name in ("mfcc", "hubert_it1", "hubert_it1.2"):
        provenance.write(tmp_path / name / "model", "test", {"config": {"max_epoch": 9}}, {})
        measure(tmp_path, name, tmp_path / name / "model", tmp_path / name / "errors")
    assert table.build(one_study, folders, "random").cells
