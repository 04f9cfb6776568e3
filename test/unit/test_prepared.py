"""Helpers for local/data.sh: smaller data directories, two of one, one of several. Every table goes along."""

import numpy as np
import pytest
import soundfile

from hubert_iter import provenance
from hubert_iter.bin import combine_data, filter_data, split_data, subset_data
from hubert_iter.data import datadir
from hubert_iter.errors import UserError

SPEAKERS = ("a", "b", "c")
NUMBER = 6  # utterances of each


def prepared(root, name="d", speakers=SPEAKERS, segmented=False, number=NUMBER):
    """Utterance n of a speaker lasts n + 1 s; all tables, one of which is not ours, and one tier of alignments."""
    folder = root / name
    folder.mkdir()
    keys = [(f"{speaker}-{n}", speaker, n) for speaker in speakers for n in range(number)]
    tables = {
        "utt2spk": [f"{key} {speaker}" for key, speaker, _ in keys],
        "text": [f"{key} WORD {n}" for key, _, n in keys],
        "utt2lang": [f"{key} en" for key, _, _ in keys],
        "spk2gender": [f"{speaker} {'fm'[ord(speaker) % 2]}" for speaker in speakers],
        "phones.ctm": [f"{key} 1 0.{n} 0.1 aa" for key, _, _ in keys for n in (1, 3)],
    }
    if segmented:
        tables["wav.scp"] = [f"rec-{speaker} /audio/{speaker}.flac" for speaker in speakers]
        tables["segments"] = [f"{key} rec-{speaker} {10 * n} {11 * n + 1}" for key, speaker, n in keys]
    else:
        tables["wav.scp"] = [f"{key} /audio/{key}.flac" for key, _, _ in keys]
        tables["utt2num_samples"] = [f"{key} {16000 * (n + 1)}" for key, _, n in keys]
    for table, lines in tables.items():
        (folder / table).write_text("".join(f"{line}\n" for line in lines))
    return folder


def keys(path):
    return [line.split()[0] for line in path.read_text().splitlines()]


def subset(folder, out, *options):
    subset_data.main(["--data", str(folder), "--out", str(out), *options])
    return keys(out / "utt2spk")


@pytest.mark.parametrize("segmented", [False, True])
def test_every_table_of_a_subset_has_what_was_drawn(tmp_path, segmented):
    folder = prepared(tmp_path, segmented=segmented)
    drawn = subset(folder, tmp_path / "o", "--utterances", "5")
    assert len(drawn) == 5 and drawn == sorted(drawn)
    for name in ("text", "utt2lang", "segments" if segmented else "wav.scp"):
        assert keys(tmp_path / "o" / name) == drawn
    assert keys(tmp_path / "o/phones.ctm") == [key for key in drawn for _ in range(2)]
    speakers = sorted({key[0] for key in drawn})
    assert keys(tmp_path / "o/spk2gender") == keys(tmp_path / "o/spk2utt") == speakers
    if segmented:
        assert keys(tmp_path / "o/wav.scp") == [f"rec-{speaker}" for speaker in speakers]
    else:
        assert [u.id for u in datadir.read(tmp_path / "o").utterances] == drawn
    whole = set((folder / "text").read_text().splitlines())
    assert set((tmp_path / "o/text").read_text().splitlines()) < whole


def test_a_subset_is_of_the_seed_alone_and_lies_within_larger_ones(tmp_path):
    folder = prepared(tmp_path)
    four, nine = (subset(folder, tmp_path / n, "--utterances", n) for n in ("4", "9"))
    assert set(four) < set(nine)
    assert subset(prepared(tmp_path, "again"), tmp_path / "x", "--utterances", "4") == four
    assert subset(folder, tmp_path / "y", "--utterances", "4", "--seed", "1") != four


def test_limits_of_speakers_and_hours(tmp_path):
    folder = prepared(tmp_path)
    drawn = subset(folder, tmp_path / "s", "--per_speaker", "2")
    assert [key[0] for key in drawn] == ["a", "a", "b", "b", "c", "c"]
    drawn = subset(folder, tmp_path / "h", "--hours", str(20 / 3600))
    seconds = sum(int(key[-1]) + 1 for key in drawn)
    assert 20 - NUMBER < seconds <= 20
    cut = prepared(tmp_path, "cut", segmented=True)
    assert subset(cut, tmp_path / "c", "--hours", str(20 / 3600)) == drawn
    for options, message in (
        (("--hours", "1"), "expected at most the 0.0175 h that there are"),
        (("--utterances", "99"), "expected at most 18 utterances, found 99"),
        ((), "expected --utterances, --hours or --per_speaker"),
    ):
        with pytest.raises(UserError, match=message):
            subset(folder, tmp_path / "bad", *options)
    assert not (tmp_path / "bad").exists()


def test_hours_come_from_the_audio_where_no_table_has_them(tmp_path):
    folder = prepared(tmp_path, speakers="a", number=3)
    (folder / "utt2num_samples").unlink()
    for key in keys(folder / "wav.scp"):
        soundfile.write(tmp_path / f"{key}.wav", np.zeros(22050 * 2), 22050)
    (folder / "wav.scp").write_text("".join(f"{key} {tmp_path}/{key}.wav\n" for key in keys(folder / "wav.scp")))
    assert len(subset(folder, tmp_path / "o", "--hours", str(5 / 3600))) == 2


def split(folder, root, *options):
    split_data.main(["--data", str(folder), "--out", str(root / "out"), "--rest", str(root / "rest"), *options])
    return keys(root / "out/utt2spk"), keys(root / "rest/utt2spk")


def test_a_split_by_speaker_shares_no_speaker_and_one_by_utterance_no_utterance(tmp_path):
    folder = prepared(tmp_path)
    chosen, rest = split(folder, tmp_path / "1", "--speakers", "1")
    assert len(chosen) == NUMBER and not {key[0] for key in chosen} & {key[0] for key in rest}
    assert sorted(chosen + rest) == keys(folder / "utt2spk")
    (tmp_path / "list").write_text("c\n")
    chosen, rest = split(folder, tmp_path / "2", "--speaker_list", str(tmp_path / "list"))
    assert {key[0] for key in chosen} == {"c"} and {key[0] for key in rest} == {"a", "b"}
    chosen, rest = split(folder, tmp_path / "3", "--utterances", "7")
    assert len(chosen) == 7 and sorted(chosen + rest) == keys(folder / "utt2spk")
    before = (tmp_path / "3/out/provenance.json").stat().st_mtime_ns
    split(folder, tmp_path / "3", "--utterances", "7")
    assert (tmp_path / "3/out/provenance.json").stat().st_mtime_ns == before
    split(folder, tmp_path / "3", "--utterances", "8")
    assert len(keys(tmp_path / "3/out/utt2spk")) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--speakers", "3"), r"expected 1 to 2 speakers out of 3, found 3 asked for \(--speakers\)"),
        ((), "expected one of --speakers, --speaker_list and --utterances, found none"),
        (("--speakers", "1", "--utterances", "1"), "found speakers, utterances"),
        (("--speaker_list", "LIST"), "LIST: d: expected speakers of"),
    ],
)
def test_impossible_splits_are_refused(tmp_path, monkeypatch, options, message):
    folder = prepared(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "LIST").write_text("a\nd\n")
    with pytest.raises(UserError, match=message):
        split(folder, tmp_path / "x", *options)
    assert not (tmp_path / "x/out").exists() and not (tmp_path / "x/rest").exists()


def combine(root, *folders):
    combine_data.main(["--data", *map(str, folders), "--out", str(root / "all")])
    return root / "all"


def test_parts_put_together_are_the_whole(tmp_path):
    for segmented in (False, True):
        root = tmp_path / str(segmented)
        root.mkdir()
        folder = prepared(root, segmented=segmented)
        split(folder, root, "--utterances", "7")
        whole = combine(root, root / "rest", root / "out")
        for file in folder.iterdir():
            assert (whole / file.name).read_text() == file.read_text(), file.name


def test_recordings_become_segments_beside_others_that_are(tmp_path):
    plain, cut = prepared(tmp_path, speakers="a"), prepared(tmp_path, "cut", "b", segmented=True)
    whole = combine(tmp_path, plain, cut)
    assert keys(whole / "segments") == keys(plain / "utt2spk") + keys(cut / "utt2spk")
    assert (whole / "segments").read_text().splitlines()[1] == "a-1 a-1 0 2.000000"
    assert not (whole / "utt2num_samples").exists()  # not all have it; stage 2 counts


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: None, r"d2/\S+:1: a-0: is also in \S*d/\S+:1. Rename one"),
        (lambda d: (d / "text").unlink(), "d2/text: expected this table, which others that are combined have"),
        (lambda d: (d / "text").write_text(""), r"d2/wav.scp:1: utterance a-0: not in text \(6 in all"),
        (
            lambda d: (d / "utt2spk").write_text("a-0 a b\n"),
            "d2/utt2spk:1: utterance a-0: expected .*space in its name",
        ),
        (lambda d: (d / "wav.scp").unlink(), "d2/wav.scp: expected this file"),
    ],
)
def test_faults_are_named_by_file_and_line(tmp_path, spoil, message):
    first, second = prepared(tmp_path, speakers="ab"), prepared(tmp_path, "d2", "a")
    spoil(second)
    with pytest.raises(UserError, match=message):
        combine(tmp_path, first, second)
    assert not (tmp_path / "all").exists()


def test_what_helpers_make_is_data_for_stage_2(tmp_path):
    folder = prepared(tmp_path, speakers="ab", number=2)
    for n, key in enumerate(keys(folder / "wav.scp")):
        soundfile.write(tmp_path / f"{key}.wav", np.full(16000 * (int(key[-1]) + 1), 0.1 * n), 16000)
    (folder / "wav.scp").write_text("".join(f"{key} {tmp_path}/{key}.wav\n" for key in keys(folder / "wav.scp")))
    split(folder, tmp_path, "--speakers", "1")
    for name in ("out", "rest"):
        filter_data.main(["--data", str(tmp_path / name), "--out", str(tmp_path / "dump" / name)])
        assert provenance.read(tmp_path / "dump" / name)["command"] == "filter_data"
