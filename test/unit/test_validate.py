"""The validator finds every fault by file, line and utterance; the fix mends it and keeps the old files."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from hubert_iter import provenance
from hubert_iter.bin import align_data, filter_data, validate_data
from hubert_iter.data import datadir, repair, validate
from hubert_iter.data.audio import read_audio
from hubert_iter.data.datadir import Utterance
from hubert_iter.data.validate import Limits
from hubert_iter.errors import UserError

IDS = ["a-1", "a-2", "b-1", "b-2"]


@pytest.fixture
def folder(tmp_path):
    """Two speakers with two utterances of 1, 2, 1, 2 s each."""
    audio = tmp_path / "au dio"
    audio.mkdir()
    rng = np.random.default_rng(0)
    utterances = []
    for key in IDS:
        seconds = int(key[-1])
        soundfile.write(audio / f"{key}.flac", (rng.standard_normal(seconds * 16000) * 999).astype(np.int16), 16000)
        utterances.append(Utterance(key, key[0], seconds * 16000, str(audio / f"{key}.flac")))
    datadir.write(tmp_path / "d", utterances, {key: "SOME WORDS" for key in IDS}, {"a": "f", "b": "m"})
    return tmp_path / "d"


def change(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def lines(path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


def swap_lines(path) -> None:
    first, second, *rest = lines(path)
    path.write_text("".join([second, first, *rest]))


def audio_of(folder, key):
    return folder.parent / "au dio" / f"{key}.flac"


def truncate(path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


# What to spoil; the kind found; the file (ending), line and utterance it must name; the utterances that a fix drops.
FAULTS = {
    "three columns in utt2spk": (
        lambda d: change(d / "utt2spk", "a-2 a", "a-2 a f"),
        ("columns", "utt2spk", 2, "a-2"),
        ["a-2"],
    ),
    "one column in wav.scp": (
        lambda d: (d / "wav.scp").write_text("".join(["a-1\n", *lines(d / "wav.scp")[1:]])),
        ("columns", "wav.scp", 1, "a-1"),
        ["a-1"],
    ),
    "empty line": (lambda d: change(d / "text", "a-2", "\na-2"), ("columns", "text", 2, ""), []),
    "order": (lambda d: swap_lines(d / "text"), ("order", "text", 2, "a-1"), []),
    "duplicate with the same value": (
        lambda d: change(d / "utt2spk", "a-2 a\n", "a-2 a\na-2 a\n"),
        ("repeated", "utt2spk", 3, "a-2"),
        [],
    ),
    "duplicate with another value": (
        lambda d: change(d / "utt2spk", "a-2 a\n", "a-2 a\na-2 b\n"),
        ("duplicate", "utt2spk", 3, "a-2"),
        ["a-2"],
    ),
    "transcript missing": (
        lambda d: change(d / "text", "b-1 SOME WORDS\n", ""),
        ("keys", "wav.scp", 3, "b-1"),
        ["b-1"],
    ),
    "audio entry missing": (
        lambda d: (d / "wav.scp").write_text("".join(lines(d / "wav.scp")[:-1])),
        ("keys", "utt2spk", 4, "b-2"),
        ["b-2"],
    ),
    "length missing": (lambda d: change(d / "utt2num_samples", "a-1 16000\n", ""), ("keys", "wav.scp", 1, "a-1"), []),
    "length wrong": (
        lambda d: change(d / "utt2num_samples", "a-1 16000", "a-1 16001"),
        ("length", "utt2num_samples", 1, "a-1"),
        [],
    ),
    "speaker table differs": (lambda d: change(d / "spk2utt", " b-2", ""), ("speaker", "spk2utt", 0, "b-2"), []),
    "gender": (lambda d: change(d / "spk2gender", "b m", "b male"), ("gender", "spk2gender", 2, ""), []),
    "audio missing": (lambda d: audio_of(d, "a-2").unlink(), ("missing", "wav.scp", 2, "a-2"), ["a-2"]),
    "audio truncated": (lambda d: truncate(audio_of(d, "b-1")), ("audio", "wav.scp", 3, "b-1"), ["b-1"]),
    "wrong rate": (
        lambda d: soundfile.write(audio_of(d, "b-1"), np.zeros(8000), 8000),
        ("rate", "wav.scp", 3, "b-1"),
        ["b-1"],
    ),
    "two channels": (
        lambda d: soundfile.write(audio_of(d, "b-1"), np.zeros((16000, 2)), 16000),
        ("channels", "wav.scp", 3, "b-1"),
        ["b-1"],
    ),
    "no number in the audio": (
        lambda d: (
            soundfile.write(audio_of(d, "b-1").with_suffix(".wav"), [0.0] * 9000 + [np.nan] * 7000, 16000, "FLOAT"),
            change(d / "wav.scp", "b-1.flac", "b-1.wav"),
        ),
        ("audio", "wav.scp", 3, "b-1"),
        ["b-1"],
    ),
    "zero length": (
        lambda d: (
            soundfile.write(audio_of(d, "a-1").with_suffix(".wav"), np.zeros(0), 16000),
            change(d / "wav.scp", "a-1.flac", "a-1.wav"),
        ),
        ("empty", "wav.scp", 1, "a-1"),
        ["a-1"],
    ),
    "segment without recording": (
        lambda d: (d / "segments").write_text("a-1 a-1 0 1\na-2 a-2 0 2\nb-1 b-9 0 1\nb-2 b-2 0 2\n"),
        ("segments", "segments", 3, "b-1"),
        ["b-1"],
    ),
    "segment beyond its recording": (
        lambda d: (d / "segments").write_text("a-1 a-1 0 1\na-2 a-2 0 2\nb-1 b-1 0 1.5\nb-2 b-2 0 2\n"),
        ("segments", "segments", 3, "b-1"),
        ["b-1"],
    ),
    "segment backwards": (
        lambda d: (d / "segments").write_text("a-1 a-1 1 0\na-2 a-2 0 2\nb-1 b-1 0 1\nb-2 b-2 0 2\n"),
        ("segments", "segments", 1, "a-1"),
        ["a-1"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_named_and_mended(folder, name):
    spoil, (kind, file, line, utterance), dropped = FAULTS[name]
    spoil(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match="faults, the first: "):
        validate_data.main(["--data", str(folder)])
    findings = validate.examine(folder)
    first = findings.faults[0]
    assert [(f.kind, f.file, f.line, f.utterance) for f in findings.faults] == [
        (kind, str(folder / file), line, utterance)
    ], first
    assert sorted(findings.dropped()) == dropped
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before  # looking changes nothing

    validate_data.main(["--data", str(folder), "--fix", "true"])
    validate_data.main(["--data", str(folder)])  # no fault is left
    assert [u.id for u in datadir.read(folder).utterances] == [key for key in IDS if key not in dropped]
    backup = folder / ".backup"
    assert file == "segments" or (backup / file).exists() or dropped or (folder / file).read_bytes() == before[file]
    for path in backup.iterdir():
        if path.name != "faults.txt":
            assert path.read_bytes() == before[path.name]
    for path in (folder / name for name in before):
        if path.read_bytes() != before[path.name]:
            assert (backup / path.name).read_bytes() == before[path.name]


def test_a_sound_folder_has_no_fault_and_is_left_alone(folder):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    validate_data.main(["--data", str(folder)])
    validate_data.main(["--data", str(folder), "--fix", "true"])
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


# What to write, and what the message must say of it: the cause that is likely, and what to do.
CAUSES = {
    "a space in an id": (
        lambda d: change(d / "utt2spk", "a-2 a", "a 2 a"),
        r"utt2spk:2: utterance a: expected '<utterance> <speaker>', found 3 columns: 'a 2 a'.* first space",
    ),
    "a space in an id of wav.scp": (
        lambda d: change(d / "wav.scp", "a-2 ", "a-2 x "),
        r"wav.scp:2: utterance a-2: .*no such file, but \S*/au dio/a-2.flac is one: there is a space in the id",
    ),
    "ids alike up to their space": (
        lambda d: (d / "text").write_text("a 1 SOME WORDS\na 2 SOME WORDS\n"),
        r"text:2: utterance a: was on line 1 already, with another value\. Is there a space in its name\?",
    ),
    "a command without its pipe": (
        lambda d: change(d / "wav.scp", f"a-2 {audio_of(d, 'a-2')}", f"a-2 cat '{audio_of(d, 'a-2')}'"),
        r"wav.scp:2: utterance a-2: .*It begins with the program cat: a command must end in \|",
    ),
    "a command by its path, without its pipe": (
        lambda d: change(d / "wav.scp", f"a-2 {audio_of(d, 'a-2')}", f"a-2 /bin/cat {audio_of(d, 'a-1')}"),
        r"wav.scp:2: utterance a-2: .*It begins with the program /bin/cat: a command must end in \|",
    ),
    "a command that is not installed, without its pipe": (
        lambda d: change(d / "wav.scp", f"a-2 {audio_of(d, 'a-2')}", "a-2 sph2pype -f wav /x/y.sph"),
        r"wav.scp:2: utterance a-2: .*it must end in \|, so write 'sph2pype -f wav /x/y.sph \|', and install sph2pype",
    ),
    "a relative path": (
        lambda d: change(d / "wav.scp", f"a-2 {audio_of(d, 'a-2')}", "a-2 audio/a-2.flac"),
        r"wav.scp:2: utterance a-2: .*no such file in \S+\. Relative paths begin at .* the\s+recipe's",
    ),
    "another rate": (
        lambda d: soundfile.write(audio_of(d, "b-1"), np.zeros(8000), 8000),
        r"found 8000 Hz\. Convert all such audio by --resample true .*: sox '\S+/au dio/b-1.flac' -r 16000 -c 1 .* \|",
    ),
    "another rate from a command": (
        lambda d: (
            soundfile.write(d.parent / "x.wav", np.zeros((8000, 2)), 16000),
            change(d / "wav.scp", f"b-1 {audio_of(d, 'b-1')}", f"b-1 cat {d.parent}/x.wav |"),
        ),
        r"one channel, found 2\. .*: cat \S+/x.wav \| sox -t wav - -r 16000 -c 1 -b 16 -t wav - \|",
    ),
    "a segment beyond the audio": (
        lambda d: (d / "segments").write_text("a-1 a-1 0 1\na-2 a-2 0 2\nb-1 b-1 0 1.5\nb-2 b-2 0 2\n"),
        r"segments:3: utterance b-1: expected 1.500 s as segments says, found 1.000 s\. Correct the times",
    ),
    "nothing": (
        lambda d: [(d / name).write_text("") for name in ("wav.scp", "utt2spk", "text", "spk2utt", "utt2num_samples")],
        r"wav.scp: expected at least one utterance, found none",
    ),
    "nothing in segments": (
        lambda d: [(d / name).write_text("") for name in ("segments", "utt2spk", "text", "spk2utt", "utt2num_samples")],
        r"segments: expected at least one utterance, found none",
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_likely_cause_is_said(folder, name, tmp_path):
    spoil, message = CAUSES[name]
    spoil(folder)
    with pytest.raises(UserError, match=message):
        validate_data.main(["--data", str(folder)])
    with pytest.raises(UserError, match=message):
        filter_data.main(["--data", str(folder), "--out", str(tmp_path / "o")])
    assert not (tmp_path / "o").exists()


def test_what_a_fix_would_do_is_said(folder):
    swap_lines(folder / "text")
    with pytest.raises(UserError, match=r"or let --fix true mend the tables$"):
        validate_data.main(["--data", str(folder)])
    soundfile.write(audio_of(folder, "b-1"), np.zeros(8000), 8000)
    with pytest.raises(UserError, match=r"or let --fix true drop 1 utterances$"):
        validate_data.main(["--data", str(folder)])


def test_a_relative_path_begins_at_the_folder_that_the_program_runs_in(folder, tmp_path, monkeypatch):
    """As Kaldi's do; recipes run in their own folder, wherever they are called from."""
    scp = folder / "wav.scp"
    scp.write_text(scp.read_text().replace(f"{tmp_path}/", ""))
    with pytest.raises(UserError, match="no such file in"):
        stage2(folder, tmp_path / "o")
    monkeypatch.chdir(tmp_path)
    assert len(datadir.read(stage2(folder, tmp_path / "o"))) == 4


def test_what_stage_2_wrote_is_found_from_any_folder(folder, tmp_path, monkeypatch):
    """Paths of the recipe's folder and places in the ark alike, and of arks that are given."""
    monkeypatch.chdir(tmp_path)
    change(folder / "wav.scp", f"b-1 {audio_of(folder, 'b-1')}", f"b-1 cat '{audio_of(folder, 'b-1')}' |")
    given = stage2(folder, Path("given"))
    (folder / "wav.scp").write_text("".join(lines(given / "wav.scp")).replace(f"{tmp_path}/", ""))
    assert "b-1 given/audio.ark:" in (folder / "wav.scp").read_text()
    made = stage2(folder, Path("made")).absolute()
    (tmp_path / "asr1").mkdir()
    monkeypatch.chdir(tmp_path / "asr1")
    assert [len(read_audio(each)) for each in datadir.read(made).utterances] == [16000, 32000, 16000, 32000]


def test_a_recipe_that_was_moved_has_its_data_made_again(folder, tmp_path, monkeypatch):
    scp = folder / "wav.scp"
    scp.write_text(scp.read_text().replace(f"{tmp_path}/", ""))
    for place in ("before", "after"):
        # The recipe's folder under one name, then under the other.
        recipe = tmp_path / place
        recipe.mkdir()
        for path in (folder, folder.parent / "au dio", *folder.parent.glob("o")):
            path.rename(recipe / path.name)
        monkeypatch.chdir(recipe)
        stage2(Path("d"), Path("o"))
        assert {each.wav for each in datadir.read("o").utterances} == {f"{recipe}/au dio/{key}.flac" for key in IDS}
        for path in recipe.iterdir():
            path.rename(tmp_path / path.name)


def test_a_repair_leaves_relative_paths_as_they_are(folder, tmp_path, monkeypatch):
    change(folder / "wav.scp", f"{tmp_path}/", "")
    monkeypatch.chdir(tmp_path)
    swap_lines(folder / "text")
    validate_data.main(["--data", str(folder), "--fix", "true"])
    assert "a-1 au dio/a-1.flac\n" in (folder / "wav.scp").read_text()


def test_speakers_of_two_sets_may_be_allowed_and_are_listed(folder, tmp_path):
    other = tmp_path / "train"
    datadir.write(other, [Utterance("b-9", "b", 1, "x")])
    allowed = ("--other_speakers_than", other, "--same_speakers", "true")
    out = stage2(folder, tmp_path / "o", *allowed)
    assert len(datadir.read(out)) == 4 and (out / "dropped.txt").read_text() == ""
    assert (out / "shared_speakers.txt").read_text() == "b train\n"
    with pytest.raises(UserError, match="speaker b is also in .* by --same_speakers true: the report then says so"):
        stage2(folder, out, *allowed[:2])
    assert not (stage2(folder, tmp_path / "p") / "shared_speakers.txt").exists()


def test_limits(folder):
    findings = validate.examine(folder, Limits(min_seconds=1.5))
    assert [(f.kind, f.utterance) for f in findings.faults] == [("short", "a-1"), ("short", "b-1")]
    findings = validate.examine(folder, Limits(max_seconds=1.5))
    assert [(f.kind, f.utterance) for f in findings.faults] == [("long", "a-2"), ("long", "b-2")]
    assert "lasts 2 s, expected at most 1.5 s" in findings.faults[0].message


def test_less_than_a_frame_is_too_short_whatever_the_limits(folder):
    soundfile.write(audio_of(folder, "a-1"), np.zeros(399), 16000)
    kinds = {f.kind for f in validate.examine(folder).faults}
    assert kinds == {"short", "length"}


def test_shared_speakers_where_they_must_not_be(folder, tmp_path):
    other = tmp_path / "other"
    datadir.write(other, [Utterance("b-9", "b", 1, "x")])
    (fault,) = validate.examine(folder, others=[other]).faults
    assert (fault.kind, fault.file, fault.line) == ("shared speaker", str(folder / "utt2spk"), 3)
    assert fault.drops == ("b-1", "b-2")
    with pytest.raises(UserError, match=f"speaker b is also in {other}"):
        filter_data.main(["--data", str(folder), "--out", str(tmp_path / "o"), "--other_speakers_than", str(other)])
    assert not (tmp_path / "o").exists()


def stage2(folder, out, *options):
    filter_data.main(["--data", str(folder), "--out", str(out), *map(str, options)])
    return out


def other_set(tmp_path, ids, name="t", samples_of=None):
    """A set of other speakers with audio of its own; `samples_of` maps utterances to files whose samples they get."""
    audio = tmp_path / f"{name}-audio"
    audio.mkdir()
    rng = np.random.default_rng(1)
    utterances = []
    for key in ids:
        samples = (rng.standard_normal(16000) * 999).astype(np.int16)
        if key in (samples_of or {}):
            samples, _ = soundfile.read(samples_of[key], dtype="int16")
        soundfile.write(audio / f"{key}.wav", samples, 16000)
        utterances.append(Utterance(key, f"s{key[0]}", len(samples), str(audio / f"{key}.wav")))
    datadir.write(tmp_path / name, utterances, {key: "SOME WORDS" for key in ids})
    return tmp_path / name


def test_an_utterance_of_another_set_is_named_on_both_sides_and_dropped_by_a_fix(folder, tmp_path):
    train = stage2(other_set(tmp_path, ["a-1", "c-1"]), tmp_path / "dump" / "train")
    out, options = tmp_path / "dump" / "valid", ("--other_utterances_than", train)
    with pytest.raises(UserError) as error:
        stage2(folder, out, *options)
    for part in (
        f"{folder}/wav.scp:1: utterance a-1: ",
        f"{train} does not have",
        f"({train}/utt2hash:1)",
        "--fix true",
    ):
        assert part in str(error.value)
    assert not out.exists()
    stage2(folder, out, *options, "--fix", "true")
    assert [u.id for u in datadir.read(out).utterances] == ["a-2", "b-1", "b-2"]
    assert (out / "dropped.txt").read_text().startswith("a-1 shared utterance: ")


def test_a_set_that_is_the_other_one_is_refused_fix_or_not(folder, tmp_path):
    train = stage2(folder, tmp_path / "dump" / "train")
    options = ("--other_utterances_than", train)
    with pytest.raises(UserError, match="4 faults, the first: .*utterance a-1: expected an utterance that .* not have"):
        stage2(folder, tmp_path / "dump" / "valid", *options)
    with pytest.raises(UserError, match="no utterance is left; the first: .*utterance a-1: expected an utterance that"):
        stage2(folder, tmp_path / "dump" / "valid", *options, "--fix", "true")


@pytest.mark.parametrize("segmented", [False, True])
def test_equal_audio_under_another_name_is_found_by_its_samples(folder, tmp_path, segmented):
    """FLAC here, WAV there, and as part of a longer recording read by a command."""
    train = other_set(tmp_path, ["c-1", "c-2"], samples_of={"c-2": audio_of(folder, "b-1")})
    if segmented:
        (train / "segments").write_text("c-1 c-1 0.0 1.0\nc-2 long 0.25 1.25\n")
        samples, _ = soundfile.read(audio_of(folder, "b-1"), dtype="int16")
        soundfile.write(tmp_path / "long.wav", np.concatenate([samples[:4000], samples, samples[:4000]]), 16000)
        (train / "wav.scp").write_text(f"c-1 {tmp_path}/t-audio/c-1.wav\nlong cat {tmp_path}/long.wav |\n")
    train = stage2(train, tmp_path / "dump" / "train")
    with pytest.raises(UserError) as error:
        stage2(folder, tmp_path / "dump" / "valid", "--other_utterances_than", train)
    for part in ("wav.scp:3: utterance b-1: has the same samples as utterance c-2 of", f"({train}/utt2hash:2)"):
        assert part in str(error.value)
    out = stage2(folder, tmp_path / "dump" / "valid", "--other_utterances_than", train, "--fix", "true")
    assert [u.id for u in datadir.read(out).utterances] == ["a-1", "a-2", "b-2"]
    assert (out / "dropped.txt").read_text().startswith("b-1 equal audio: has the same samples as utterance c-2")


def test_what_the_other_set_has_left_out_is_not_shared(folder, tmp_path):
    train = stage2(other_set(tmp_path, ["a-1", "c-1"]), tmp_path / "dump" / "train", "--min_seconds", "0.5")
    (train / "utt2hash").write_text("".join(lines(train / "utt2hash")[1:]))
    assert stage2(folder, tmp_path / "dump" / "valid", "--other_utterances_than", train).is_dir()


def test_equal_audio_within_a_set_is_warned_of(folder, tmp_path, caplog):
    audio_of(folder, "b-2").write_bytes(audio_of(folder, "a-2").read_bytes())
    out = stage2(folder, tmp_path / "o")
    assert (
        f"{folder}/wav.scp:4: utterance b-2: has the same samples as utterance a-2 ({folder}/wav.scp:2)" in caplog.text
    )
    assert len(datadir.read(out)) == 4
    assert len({line.split()[1] for line in lines(out / "utt2hash")}) == 3
    validate_data.main(["--data", str(folder)])  # no fault


def test_a_set_without_hashes_to_compare_with_is_refused(folder, tmp_path):
    other = other_set(tmp_path, ["c-1"])
    for main, more in ((filter_data.main, ["--out", str(tmp_path / "o")]), (validate_data.main, [])):
        with pytest.raises(
            UserError, match=r"t/utt2hash: expected this table.*Run filter_data \(stage 2\) for .*t first"
        ):
            main(["--data", str(folder), *more, "--other_utterances_than", str(other)])


def test_hashes_are_checked_and_mended_like_lengths(folder, tmp_path):
    out = stage2(folder, tmp_path / "o")
    before = (out / "utt2hash").read_text()
    validate_data.main(["--data", str(out)])
    change(out / "utt2hash", before.split()[1], "0" * 32)
    change(out / "utt2hash", lines(out / "utt2hash")[2], "")
    faults = validate.examine(out).faults
    assert [(f.kind, f.file, f.line, f.utterance, f.drops) for f in faults] == [
        ("hash", str(out / "utt2hash"), 1, "a-1", ()),
        ("keys", str(out / "wav.scp"), 3, "b-1", ()),
    ]
    validate_data.main(["--data", str(out), "--fix", "true"])
    assert (out / "utt2hash").read_text() == before
    truncate(audio_of(folder, "b-1"))
    validate_data.main(["--data", str(out), "--fix", "true"])
    assert [line.split()[0] for line in lines(out / "utt2hash")] == ["a-1", "a-2", "b-2"]


def test_mending_data_of_stage_1_adds_no_hashes(folder):
    truncate(audio_of(folder, "b-1"))
    validate_data.main(["--data", str(folder), "--fix", "true"])
    assert not (folder / "utt2hash").exists()


def test_many_faults_at_once_are_all_found(folder):
    for name in ("three columns in utt2spk", "length missing", "transcript missing", "gender", "order"):
        FAULTS[name][0](folder)
    truncate(audio_of(folder, "b-2"))
    findings = validate.examine(folder)
    assert sorted(findings.counts()) == ["audio", "columns", "gender", "keys", "order"]
    assert [u.id for u in findings.data.utterances] == ["a-1"]


def test_a_second_fix_keeps_the_first_backup(folder):
    original = (folder / "wav.scp").read_bytes()
    change(folder / "text", "b-1 SOME WORDS\n", "")
    validate_data.main(["--data", str(folder), "--fix", "true"])
    change(folder / "text", "a-1 SOME WORDS\n", "")
    validate_data.main(["--data", str(folder), "--fix", "true"])
    assert (folder / ".backup" / "wav.scp").read_bytes() == original
    assert (folder / ".backup.1" / "wav.scp").read_bytes() not in (original, (folder / "wav.scp").read_bytes())
    assert "b-1" in (folder / ".backup" / "faults.txt").read_text()


def test_a_fix_filters_other_tables_and_alignments(folder):
    (folder / "utt2lang").write_text("".join(f"{key} en\n" for key in IDS))
    for tier in ("phones", "words"):
        (folder / f"{tier}.ctm").write_text("".join(f"{key} 1 0.1 0.5 aa\n" for key in IDS))
    with (folder / "phones.ctm").open("a") as file:
        file.write("a-1 1 0.3 0.5 b\n")
    truncate(audio_of(folder, "b-2"))
    validate_data.main(["--data", str(folder), "--fix", "true", "--max_missing", "1"])
    assert (folder / "utt2lang").read_text() == "a-1 en\na-2 en\nb-1 en\n"
    assert [line.split()[0] for line in lines(folder / "phones.ctm")] == ["a-2", "b-1"]
    validate_data.main(["--data", str(folder), "--max_missing", "1"])


def test_alignments_faults_and_missing_ones_are_found(folder, tmp_path):
    ali = tmp_path / "ali"
    ali.mkdir()
    (ali / "words.ctm").write_text("".join(f"{key} 1 0.1 0.5 w\n" for key in IDS))
    (ali / "phones.ctm").write_text("a-1 1 0.1 0.5 aa\na-1 1 0.2 0.5 b\nb-1 1 0.5 0.7 aa\nb-2 1 0 1 aa\n")
    findings = validate.examine(folder)
    validate.examine_alignments(findings, [ali])
    found = [(f.kind, f.line, f.utterance) for f in findings.faults]
    assert found == [("overlap", 2, "a-1"), ("bounds", 3, "b-1"), ("no alignment", 0, "")]
    assert (tmp_path / "ali.missing.txt").read_text().splitlines()[1] == "a-2 no alignment"
    with pytest.raises(UserError, match="--fix true cannot mend these"):
        validate_data.main(["--data", str(folder), "--alignments", str(ali), "--fix", "true"])


def test_filter_needs_fix_for_faults_and_goes_on_when_they_are_repaired(folder, tmp_path):
    out = tmp_path / "dump" / "d"
    whole = audio_of(folder, "b-1").read_bytes()
    truncate(audio_of(folder, "b-1"))
    arguments = ["--data", str(folder), "--out", str(out), "--max_seconds", "1.5", "--nj", "2"]
    with pytest.raises(UserError, match=r"wav.scp:3: utterance b-1: .*b-1.flac: .*--fix true"):
        filter_data.main(arguments)
    assert not out.exists()
    filter_data.main([*arguments, "--fix", "true"])
    assert [u.id for u in datadir.read(out).utterances] == ["a-1"]
    dropped = (out / "dropped.txt").read_text().splitlines()
    assert [line.split()[:2] for line in dropped] == [["a-2", "long:"], ["b-1", "audio:"], ["b-2", "long:"]]
    # The repaired file comes back, though no table has changed.
    audio_of(folder, "b-1").write_bytes(whole)
    filter_data.main([*arguments, "--fix", "true"])
    assert [u.id for u in datadir.read(out).utterances] == ["a-1", "b-1"]
    done = provenance.read(out)
    filter_data.main([*arguments, "--fix", "true", "--nj", "1"])
    assert provenance.read(out) == done


def test_filter_makes_what_data_preparation_may_leave_out(folder, tmp_path):
    for name in ("utt2num_samples", "spk2utt", "text", "spk2gender"):
        (folder / name).unlink()
    filter_data.main(["--data", str(folder), "--out", str(tmp_path / "o")])
    data = datadir.read(tmp_path / "o")
    assert [u.num_samples for u in data.utterances] == [16000, 32000, 16000, 32000]
    assert data.text == {}


def test_nothing_left_is_an_error(folder, tmp_path):
    with pytest.raises(UserError, match="no utterance is left; the first: .*a-1"):
        filter_data.main(["--data", str(folder), "--out", str(tmp_path / "o"), "--min_seconds", "60"])


def test_a_mended_stage_folder_stays_up_to_date(folder, tmp_path):
    provenance.write(folder, "prepare", {"x": 1}, {})
    audio_of(folder, "a-1").unlink()
    before = provenance.identity(folder)
    assert repair.in_place(validate.examine(folder)) == folder / ".backup"
    assert provenance.Product(folder, "prepare", {"x": 1}, {}).why() == ""
    assert provenance.identity(folder) != before


def test_align_data_from_own_ctm_then_up_to_date(folder, tmp_path, caplog):
    for tier in ("phones", "words"):
        (folder / f"{tier}.ctm").write_text("".join(f"{key} 1 0.1 0.5 AA1\n" for key in IDS[:3]))
    filter_data.main(["--data", str(folder), "--out", str(tmp_path / "o")])
    arguments = ["--data", str(tmp_path / "o"), "--ctm_dir", str(folder), "--out", str(tmp_path / "ali")]
    with pytest.raises(UserError, match="b-2"):
        align_data.main(arguments)
    assert (tmp_path / "ali.missing.txt").read_text() == "b-2 no alignment\n"
    align_data.main([*arguments, "--max_missing", "1"])
    assert (tmp_path / "ali" / "missing.txt").read_text() == "b-2 no alignment\n"
    caplog.clear()
    with caplog.at_level("INFO"):
        align_data.main([*arguments, "--max_missing", "1"])
    assert "nothing to do" in caplog.text
