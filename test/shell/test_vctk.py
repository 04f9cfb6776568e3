"""egs/vctk/ssl1/local/data.sh on generated audio in VCTK's layout: a corpus that is not like LibriSpeech."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny import ROOT

from hubert_iter.bin import validate_data
from hubert_iter.data import validate
from hubert_iter.errors import UserError

RECIPE = ROOT / "egs/vctk/ssl1"
EVALUATED = ("p225", "p226", "p234", "p237", "p238", "p245", "p266", "p292", "p294", "p302", "p303", "p311")
TRAINED = ("p227", "p228", "p315", "s5")
SETS = ("train", "valid", "eval")


def make_corpus(root: Path, rate: int) -> Path:
    """Four utterances of each speaker by two microphones; p315 has no transcripts, and p228 lacks one recording."""
    rng = np.random.default_rng(0)
    info = ["ID  AGE  GENDER  ACCENTS  REGION COMMENTS "]
    for n, speaker in enumerate(EVALUATED + TRAINED):
        info.append(f"{speaker}  23  {'FM'[n % 2]}    English    Southern  England")
        for kind in ("wav48_silence_trimmed", "txt"):
            (root / kind / speaker).mkdir(parents=True)
        for number in range(1, 5):
            name = f"{speaker}_{number:03}"
            for mic in ("mic1", "mic2"):
                if (name, mic) != ("p228_004", "mic1"):
                    samples = 0.1 * rng.standard_normal(rate // 2)
                    soundfile.write(root / f"wav48_silence_trimmed/{speaker}/{name}_{mic}.flac", samples, rate)
            if speaker != "p315":
                (root / f"txt/{speaker}/{name}.txt").write_text(
                    f'Ask her to "bring" it\'s {number} things, please.\r\n '
                )
    (root / "speaker-info.txt").write_text("\n".join(info) + "\n")
    return root


@pytest.fixture(scope="module", params=[16000, 48000])
def prepared(request, tmp_path_factory) -> tuple[Path, Path, int]:
    """The corpus, the data directories made of it, both in folders with a space, and the corpus's rate."""
    root = tmp_path_factory.mktemp("my corpora")
    corpus = make_corpus(root / "VCTK 0.92", request.param)
    result = prepare(corpus, root / "data here", "--valid_every", "3")
    assert result.returncode == 0, result.stderr
    return corpus, root / "data here", request.param


def prepare(corpus: Path, out: Path, *options: str) -> subprocess.CompletedProcess:
    if not (ROOT / "tools/venv/bin/python").exists():
        pytest.skip("no tools/venv: the tests run in another environment")
    command = [RECIPE / "local/data.sh", "--corpus", corpus, "--datadir", out, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def table(path: Path) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in path.read_text().splitlines())


def test_the_sets_and_who_is_in_them(prepared):
    corpus, out, _ = prepared
    speakers = {name: set(table(out / name / "utt2spk").values()) for name in SETS}
    assert speakers["eval"] == set(EVALUATED)
    assert speakers["train"] | speakers["valid"] == {"p227", "p228", "s5"}  # p315 has no transcript
    wavs = {name: table(out / name / "wav.scp") for name in SETS}
    assert [len(wavs[name]) for name in ("train", "valid", "eval")] == [7, 4, 48]
    assert not wavs["train"].keys() & wavs["valid"].keys()
    assert wavs["eval"]["p225_001"] == f"{corpus}/wav48_silence_trimmed/p225/p225_001_mic1.flac"
    assert table(out / "eval/text")["p225_001"] == "ASK HER TO BRING IT'S THINGS PLEASE"
    assert table(out / "eval/spk2gender")["p226"] == "m"
    assert sorted(path.name for path in out.iterdir()) == sorted(SETS)


def test_validation_finds_no_fault_but_the_rate(prepared):
    _, out, rate = prepared
    for name in SETS:
        others = [out / other for other in SETS[:2]] if name == "eval" else []
        findings = validate.examine(out / name, others=others)
        assert {fault.kind for fault in findings.faults} == (set() if rate == 16000 else {"rate"})
    options = ["--data", str(out / "eval"), "--other_speakers_than", str(out / "train")]
    if rate == 16000:
        validate_data.main(options)
    else:
        with pytest.raises(UserError, match="expected 16000 Hz, found 48000 Hz"):
            validate_data.main(options)


def test_a_second_call_leaves_the_tables_alone(prepared):
    corpus, out, _ = prepared

    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}

    before = times()
    assert prepare(corpus, out, "--valid_every", "3").returncode == 0
    assert times() == before
    assert prepare(corpus, out, "--valid_every", "3", "--seed", "1").returncode == 0
    changed = {path for path, when in times().items() if before.get(path) != when}
    assert changed and not any("eval" in path.parts for path in changed)


def test_the_other_microphone_and_other_speakers(prepared, tmp_path):
    words = ("--mic", "mic2", "--eval_speakers", "p228,s5", "--valid_every", "10")
    assert prepare(prepared[0], tmp_path / "data", *words).returncode == 0
    assert set(table(tmp_path / "data/eval/utt2spk").values()) == {"p228", "s5"}
    assert table(tmp_path / "data/eval/wav.scp")["p228_004"].endswith("/p228_004_mic2.flac")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--corpus", "/no such folder"), "no /no such folder/txt: give the folder of VCTK 0.92 by --corpus DIR"),
        (("--eval_speakers", "p225,p999"), "wav48_silence_trimmed/p999"),
        (("--mic", "mic3"), "no *_mic3.flac for train"),
        (("--download", "true"), "README.md says where VCTK is found"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_no_set(prepared, tmp_path, options, message):
    result = prepare(prepared[0], tmp_path / "data", *options)
    assert result.returncode == 1
    assert message in result.stderr
    assert not list(tmp_path.rglob("wav.scp"))
