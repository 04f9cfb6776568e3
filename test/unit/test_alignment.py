"""TextGrids in both text forms, CTM files, normal labels, labels of frames, and what is wrong with alignments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubert_iter import provenance
from hubert_iter.bin import align_data
from hubert_iter.data import collect_alignments, datadir
from hubert_iter.data.alignment import (
    Segment,
    frame_labels,
    normal_phones,
    normalise_word,
    read_ctm,
    read_textgrid,
    write_ctm,
)
from hubert_iter.data.datadir import DataDir, Utterance
from hubert_iter.errors import UserError

WORDS = [(0, 0.1, ""), (0.1, 0.5, "say"), (0.5, 0.9, 'the ""word""'), (0.9, 1.0, "<unk>")]
PHONES = [(0, 0.1, "sil"), (0.1, 0.3, "S"), (0.3, 0.5, "EY1"), (0.5, 0.9, "DH"), (0.9, 1.0, "spn")]


def long_form(tiers) -> str:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", "xmax = 1", "tiers? <exists>"]
    lines += [f"size = {len(tiers)}", "item []:"]
    for n, (name, intervals) in enumerate(tiers, start=1):
        lines += [f"    item [{n}]:", '        class = "IntervalTier"', f'        name = "{name}"', "        xmin = 0"]
        lines += ["        xmax = 1", f"        intervals: size = {len(intervals)}"]
        for m, (start, end, label) in enumerate(intervals, start=1):
            lines += [f"        intervals [{m}]:", f"            xmin = {start}", f"            xmax = {end} "]
            lines += [f'            text = "{label}" ']
    return "\n".join(lines) + "\n"


def short_form(tiers) -> str:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "1", "<exists>", str(len(tiers))]
    for name, intervals in tiers:
        lines += ['"IntervalTier"', f'"{name}"', "0", "1", str(len(intervals))]
        for start, end, label in intervals:
            lines += [str(start), str(end), f'"{label}"']
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("form", [long_form, short_form])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_both_forms_and_all_of_praats_encodings(tmp_path, form, encoding, line_end):
    path = tmp_path / "1-2-3.TextGrid"
    path.write_bytes(form([("words", WORDS), ("phones", PHONES)]).replace("\n", line_end).encode(encoding))
    tiers = read_textgrid(path)
    assert tiers["phones"] == [Segment("1-2-3", *interval) for interval in PHONES]
    assert [s.label for s in tiers["words"]] == ["", "say", 'the "word"', "<unk>"]


def test_lines_point_at_the_interval(tmp_path):
    path = tmp_path / "u.TextGrid"
    path.write_text(long_form([("words", WORDS), ("phones", PHONES)]))
    lines = path.read_text().split("\n")
    for segment in read_textgrid(path)["phones"]:
        assert f"xmin = {segment.start:g}" in lines[segment.line - 1]


def test_labels_may_hold_anything(tmp_path):
    path = tmp_path / "u.TextGrid"
    odd = [(0, 1, "a = 3 ! [1]\n<exists> 7"), (1, 2, "ünï")]
    path.write_text(short_form([("84 - words", odd), ("84 - phones", odd), ("notes", odd)]), encoding="utf-8")
    assert [s.label for s in read_textgrid(path)["words"]] == [label for _, _, label in odd]


def test_point_tiers_are_passed_over(tmp_path):
    path = tmp_path / "u.TextGrid"
    text = short_form([("words", WORDS), ("phones", PHONES)]).replace("<exists>\n2", "<exists>\n3")
    path.write_text(text + '"TextTier"\n"clicks"\n0\n1\n2\n0.1 "x"\n0.2 "y"\n')
    assert len(read_textgrid(path)["phones"]) == len(PHONES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-40], r"u.TextGrid:\d+: expected an interval's \w+, found the end of the file"),
        (lambda text: text.replace("xmax = 0.3 ", "xmax = soon"), r"u.TextGrid:44: expected an interval's end, found"),
        (lambda text: text.replace("xmax = 0.3 ", "xmax = 0.05 "), r"u.TextGrid:44: utterance u: interval 'S' ends"),
        (lambda text: text.replace('"phones"', '"phonemes"'), r"u.TextGrid: expected a tier 'phones', found words"),
        (lambda text: text.replace("<exists>", "<absent>"), r"u.TextGrid:6: expected tiers"),
        (lambda text: text.replace('"TextGrid"', '"Pitch 1"'), r"u.TextGrid:2: expected a Praat TextGrid"),
        (lambda text: "", r"u.TextGrid:1: expected the file type, found the end"),
    ],
)
def test_broken_textgrids_are_named_by_line(tmp_path, change, message):
    path = tmp_path / "u.TextGrid"
    text = long_form([("words", WORDS), ("phones", PHONES)])
    path.write_text(change(text))
    with pytest.raises(UserError, match=message):
        read_textgrid(path)


NO_PHONES = {name: None for name in ("sil", "SIL", "SIL_S", "sp", "spn", "", "<eps>", "nsn")}
PHONE_SETS = {
    "ARPABET": {"AH0": "ah", "ay1": "ay", "EY2": "ey", "NG": "ng", "S": "s", "B": "b"},
    "ARPABET with a noise of its own": {"AH0": "ah", "ay1": "ay", "EY2": "ey", "NG": "ng", "S": "s", "{BR}": "{br}"},
    "Kaldi's": {"AH0_B": "ah", "S_S": "s", "T_I": "t", "IY1_E": "iy"},
    "Kaldi's, of another phone set": {"a1_B": "a1", "S_S": "S", "s_I": "s", "@2_E": "@2"},
    "SAMPA": {name: name for name in ("S", "s", "E", "e", "I", "i", "t_S", "d_Z", "t", "T", "@2", "a1", "Z", "z")},
    "Mandarin": {name: name for name in ("ao1", "ao4", "ui3", "q", "x", "er2", "iang1")},
    "IPA": {name: name for name in ("tʃ", "ə", "aj", "ʃ", "s")},
}


@pytest.mark.parametrize("name", PHONE_SETS)
def test_normal_phones(name):
    assert normal_phones(PHONE_SETS[name] | NO_PHONES) == PHONE_SETS[name] | NO_PHONES


def test_how_phones_are_written_is_told_from_all_utterances(tmp_path, data):
    """Not from one of them, which may hold ARPABET's names alone."""
    grids(tmp_path / "g", u1=[(0, 0.5, "S"), (0.5, 1, "T")], u2=[(0, 0.5, "a:"), (0.5, 1, "@")], u3=[(0, 1, "t_S")])
    found = collect_alignments.from_textgrids(data, tmp_path / "g").tiers["phones"]
    assert [segment.label for key in ("u1", "u2", "u3") for segment in found[key]] == ["S", "T", "a:", "@", "t_S"]


@pytest.mark.parametrize(
    ("label", "expected"),
    [("THE", "the"), ("they're", "they're"), ("", None), ("<unk>", None), ("sil", None), ("NOISE", "noise")],
)
def test_normal_words(label, expected):
    assert normalise_word(label) == expected


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["b", "a-1", "a"]), st.integers(0, 10**6), st.integers(1, 10**5)),
        min_size=1,
        max_size=20,
    )
)
def test_ctm_round_trip_to_the_sample(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "round_trip.ctm"
    segments = [Segment(utt, start / 16000, (start + length) / 16000, "x") for utt, start, length in rows]
    write_ctm(path, segments)
    found = read_ctm(path)
    assert list(found) == sorted(found)
    key = [(s.utt, round(s.start * 16000), round(s.end * 16000)) for u in found for s in found[u]]
    assert sorted(key) == sorted((utt, start, start + length) for utt, start, length in rows)


def test_neighbours_that_touch_do_so_after_a_round_trip(tmp_path):
    times = np.cumsum([0, 0.1, 0.0299999, 0.2, 1 / 3, 0.07])
    write_ctm(tmp_path / "c", [Segment("u", a, b, "x") for a, b in zip(times[:-1], times[1:], strict=True)])
    found = read_ctm(tmp_path / "c")["u"]
    assert [s.end for s in found[:-1]] == [s.start for s in found[1:]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u 1 0.1 0.2", "c:2: utterance u: .*found 4 columns"),
        ("u 1 x 0.2 aa", "c:2: utterance u: expected start and duration"),
        ("u 1 0.1 -0.2 aa", "c:2: utterance u: .*0 s or more"),
        ("u 1 nan 0.2 aa", "c:2: utterance u: "),
    ],
)
def test_broken_ctm_lines_are_named(tmp_path, line, message):
    (tmp_path / "c").write_text(f";; comment\n{line}\n")
    with pytest.raises(UserError, match=message):
        read_ctm(tmp_path / "c")


def test_a_label_with_a_space_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match="utterance u: label 'a b'"):
        write_ctm(tmp_path / "c", [Segment("u", 0, 1, "a b")])


def test_frames_take_the_phone_at_their_centre():
    # Centres of frames 0 to 4: 200, 520, 840, 1160, 1480 samples.
    segments = [Segment("u", 520 / 16000, 840 / 16000, "b"), Segment("u", 0.0, 200 / 16000, "a")]
    segments += [Segment("u", 1100 / 16000, 9.0, "c")]
    labels = frame_labels(segments, 5, {"a": 0, "b": 1, "c": 2})
    assert labels.tolist() == [-1, 1, -1, 2, 2]
    assert labels.dtype == np.int32
    assert frame_labels([], 2, {}).tolist() == [-1, -1]
    with pytest.raises(UserError, match="utterance u: phone 'c'"):
        frame_labels(segments, 5, {"a": 0, "b": 1})


@pytest.fixture
def data(tmp_path) -> DataDir:
    datadir.write(tmp_path / "d", [Utterance(key, "s", 16000, "x") for key in ("u1", "u2", "u3")])
    return datadir.read(tmp_path / "d")


def grids(folder, **phones) -> None:
    for key, intervals in phones.items():
        path = folder / "part" / "7" / f"{key}.TextGrid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(long_form([("words", [(0, 0.5, "A"), (0.5, 1, "B")]), ("phones", intervals)]))


def test_textgrids_become_ctm_without_silence(tmp_path, data):
    grids(tmp_path / "g", u1=PHONES, u2=[(0, 0.5, "AA1"), (0.5, 1.02, "B")], other=PHONES)
    found = collect_alignments.gather(data, tmp_path / "g", tmp_path / "none")
    assert found.faults == []
    assert found.missing(data) == ["u3"]
    with pytest.raises(UserError, match="1 of 3 utterances have no alignment .at most 0 allowed.: u3.*--max_missing 1"):
        collect_alignments.refuse_missing(data, found, 0, tmp_path / "list.txt")
    assert (tmp_path / "list.txt").read_text() == "u3 no alignment\n"
    collect_alignments.write(
        tmp_path / "out", found, collect_alignments.refuse_missing(data, found, 1, tmp_path / "list.txt")
    )
    assert not (tmp_path / "list.txt").exists()
    phones = read_ctm(tmp_path / "out" / "phones.ctm")
    assert [s.label for s in phones["u1"]] == ["s", "ey", "dh"]
    assert phones["u2"][-1].end == 1.0  # cut to the audio: aligners count one frame too many
    assert (tmp_path / "out" / "missing.txt").read_text() == "u3 no alignment\n"


def test_linked_folders_are_entered(tmp_path, data):
    grids(tmp_path / "real", u1=PHONES)
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "linked").symlink_to(tmp_path / "real")
    assert collect_alignments.from_textgrids(data, tmp_path / "g").missing(data) == ["u2", "u3"]


@pytest.mark.parametrize(
    ("intervals", "kind", "message"),
    [
        ([(0, 0.5, "AA"), (0.5, 1.2, "B")], "bounds", "'B' from 0.5 to 1.2 s is out of bounds, the audio lasts 1 s"),
        ([(0, 0.5, "AA"), (0.4, 1.0, "B")], "overlap", "'B' from 0.4 to 1 s overlaps 'AA' from 0 to 0.5 s"),
    ],
)
def test_alignments_out_of_bounds_or_overlapping(tmp_path, data, intervals, kind, message):
    grids(tmp_path / "g", u1=PHONES, u2=intervals, u3=PHONES)
    found = collect_alignments.from_textgrids(data, tmp_path / "g")
    (fault,) = found.faults
    assert (fault.kind, fault.utterance, fault.message) == (kind, "u2", message)
    lines = (tmp_path / "g/part/7/u2.TextGrid").read_text().split("\n")
    assert f"xmin = {intervals[1][0]}" in lines[fault.line - 1]
    assert found.missing(data) == []
    collect_alignments.write(tmp_path / "out", found, [])
    assert "u2" not in read_ctm(tmp_path / "out" / "phones.ctm")
    assert (tmp_path / "out" / "missing.txt").read_text().startswith("u2 ")


def test_an_unreadable_textgrid_is_one_fault_with_its_line(tmp_path, data):
    grids(tmp_path / "g", u1=PHONES, u2=PHONES, u3=PHONES)
    path = tmp_path / "g/part/7/u2.TextGrid"
    path.write_text(path.read_text()[:400])
    (fault,) = collect_alignments.from_textgrids(data, tmp_path / "g").faults
    assert fault.utterance == "u2"
    assert fault.line > 10
    assert "cut off" in fault.message
    assert not fault.message.startswith(str(path))


def test_own_ctm_goes_before_textgrids(tmp_path, data):
    grids(tmp_path / "g", u1=PHONES)
    for tier in ("phones", "words"):
        (tmp_path / f"{tier}.ctm").write_text("".join(f"u{n} 1 0.1 0.25 AH1\n" for n in (1, 2, 3, 9)))
    found = collect_alignments.gather(data, tmp_path / "g", tmp_path)
    assert found.missing(data) == []
    assert found.tiers["phones"]["u3"] == [Segment("u3", 0.1, 0.35, "ah")]
    with pytest.raises(UserError, match="expected alignments, found none"):
        collect_alignments.choose_source(tmp_path / "nowhere", tmp_path / "g")


def test_an_aligner_s_own_names_of_silence_are_left_out_in_any_case_and_position(tmp_path, data):
    for tier in ("phones", "words"):
        labels = ("BRTH_S", "AH1", "{NS}", "sil")
        lines = (f"u{n} 1 {0.1 * i:.1f} 0.1 {label}\n" for n in (1, 2, 3) for i, label in enumerate(labels))
        (tmp_path / f"{tier}.ctm").write_text("".join(lines))
    options = ["--data", str(tmp_path / "d"), "--ctm_dir", str(tmp_path), "--out", str(tmp_path / "out")]
    provenance.write(tmp_path / "d", "test", {}, {})
    align_data.main(options)
    assert [segment.label for segment in read_ctm(tmp_path / "out/phones.ctm")["u1"]] == ["BRTH_S", "AH1", "{NS}"]
    align_data.main([*options, "--silence_phones", "brth {ns}"])
    assert [segment.label for segment in read_ctm(tmp_path / "out/phones.ctm")["u1"]] == ["ah"]
    assert len(read_ctm(tmp_path / "out/words.ctm")["u1"]) == 3  # people may say the word


def test_the_aligner_s_reasons_are_handed_on(tmp_path, data):
    for tier in ("phones", "words"):
        (tmp_path / f"{tier}.ctm").write_text("u1 1 0.1 0.25 AH1\n")
    (tmp_path / "missing.txt").write_text("u2 the words were not found in the audio\n")
    found = collect_alignments.from_ctm(data, tmp_path)
    with pytest.raises(UserError, match="2 of 3 utterances have no alignment"):
        collect_alignments.refuse_missing(data, found, 0, tmp_path / "list.txt")
    expected = "u2 the words were not found in the audio\nu3 no alignment\n"
    assert (tmp_path / "list.txt").read_text() == expected
    collect_alignments.write(tmp_path / "out", found, found.missing(data))
    assert (tmp_path / "out/missing.txt").read_text() == expected


def test_a_set_without_alignments_has_files_without_a_line_and_a_check_tells(tmp_path, data):
    provenance.write(tmp_path / "d", "test", {}, {})
    options = ["--data", str(tmp_path / "d"), "--out", str(tmp_path / "out")]
    with pytest.raises(UserError, match=r"out: expected the alignments of .*, found none: .*--stage 3"):
        align_data.main([*options, "--check", "true"])
    with pytest.raises(UserError, match="neither"):
        align_data.main(options)
    align_data.main([*options, "--without", "true"])
    assert read_ctm(tmp_path / "out/phones.ctm") == {} == read_ctm(tmp_path / "out/words.ctm")
    assert (tmp_path / "out/missing.txt").read_text().splitlines() == [f"u{n} no alignment" for n in (1, 2, 3)]
    align_data.main([*options, "--check", "true"])
    datadir.write(tmp_path / "other", data.utterances[:2])
    provenance.write(tmp_path / "other", "test", {}, {})
    with pytest.raises(UserError, match="found those of other data"):
        align_data.main(["--data", str(tmp_path / "other"), "--out", str(tmp_path / "out"), "--check", "true"])
