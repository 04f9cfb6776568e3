"""egs/mini_librispeech for somebody who has nothing: fetched from a server of our own, then run to its report."""

import csv
import io
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml
from archive_server import packed, running_server, serve
from recipe_runs import RECIPE, Folders, copy_of_project, end_of
from tiny import ROOT

from hubert_iter.data import datadir
from hubert_iter.data.alignment import Segment, read_ctm

STUDY = {
    "model": "ci",
    "train": "ci",
    "updates": 4,
    "runs": {"random": {"objective": "none"}, "hubert_it1": {"objective": "hubert", "targets": "mfcc", "k": 20}},
}
DRAWN_FROM = {"train-clean-5": "train-clean-100", "dev-clean-2": "dev-clean"}


def textgrid(tiers: dict[str, list[Segment]], seconds: float) -> str:
    """Praat's short text form, silence filled in."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", str(seconds), "<exists>", "2"]
    for name, segments in tiers.items():
        intervals, end = [], 0.0
        for segment in [*segments, Segment("", seconds, seconds, "")]:
            if segment.start > end:
                intervals.append((end, segment.start, ""))
            if segment.end > segment.start:
                intervals.append((segment.start, segment.end, segment.label))
            end = segment.end
        lines += ['"IntervalTier"', f'"{name}"', "0", str(seconds), str(len(intervals))]
        for start, end, label in intervals:
            lines += [str(start), str(end), f'"{label}"']
    return "\n".join(lines) + "\n"


def part(folders: Folders, source: str, name: str, first_speaker: int) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files of a part's archive, and its TextGrids by the part that it was drawn from; from a set of the recipe."""
    data = datadir.read(folders.dump / "data" / source, transcripts=True)
    tiers = {tier: read_ctm(folders.data / source / f"{tier}.ctm") for tier in ("phones", "words")}
    number = {speaker: first_speaker + n for n, speaker in enumerate(data.speakers)}
    files: dict[str, bytes] = {}
    grids: dict[str, bytes] = {}
    lines: dict[str, str] = {}
    for n, utterance in enumerate(data.utterances):
        chapter = f"{number[utterance.speaker]}/7"
        key = f"{chapter.replace('/', '-')}-{n:04}"
        files[f"{name}/{chapter}/{key}.flac"] = Path(utterance.wav).read_bytes()
        transcript = f"{name}/{chapter}/{chapter.replace('/', '-')}.trans.txt"
        lines[transcript] = lines.get(transcript, "") + f"{key} {data.text[utterance.id].upper()}\n"
        found = {tier: tiers[tier][utterance.id] for tier in tiers}
        grids[f"{DRAWN_FROM[name]}/{chapter}/{key}.TextGrid"] = textgrid(found, utterance.seconds).encode()
    table = "".join(f"{n} | {'FM'[n % 2]} | {name} | 1.0 | Somebody\n" for n in number.values())
    files |= {path: text.encode() for path, text in lines.items()} | {"SPEAKERS.TXT": table.encode()}
    return files, grids


@pytest.fixture(scope="module")
def server(finished):
    """Archives in the layout of the real ones, of synthetic speech, and their alignments in one zip."""
    folders: Folders = finished[0]
    with running_server() as server:
        grids: dict[str, bytes] = {"dev-clean/1/2/1-2-0000.TextGrid": b"of no interest here"}
        for name, source, first in (("train-clean-5", "train", 100), ("dev-clean-2", "eval", 900)):
            files, found = part(folders, source, name, first)
            serve(server, f"{name}.tar.gz", packed({f"LibriSpeech/{path}": data for path, data in files.items()}))
            grids |= found
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for path, data in grids.items():
                file.writestr(f"LibriSpeech/{path}", data)
        serve(server, "alignments.zip", buffer.getvalue())
        yield server


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    """The recipe of a fresh copy of the project, in a folder with a space; a network and a study of seconds in conf."""
    if not (ROOT / "tools/venv/bin/python").exists():
        pytest.skip("no tools/venv: the tests run in another environment")
    recipe = copy_of_project(tmp_path_factory.mktemp("a user") / "with nothing") / "egs/mini_librispeech/ssl1"
    for kind in ("model", "train"):
        shutil.copytree(RECIPE / "conf" / kind, recipe / "conf" / kind)
    shutil.copy(RECIPE / "conf/analysis/ci.yaml", recipe / "conf/analysis")
    (recipe / "conf/analysis/seconds.yaml").write_text(yaml.safe_dump({"base": "ci", "measures": {"cca": {}}}))
    (recipe / "conf/study/seconds.yaml").write_text(yaml.safe_dump(STUDY))
    return recipe


def run(recipe: Path, *command: str, **environment: str) -> subprocess.CompletedProcess:
    known = {name: value for name, value in os.environ.items() if not name.startswith("LIBRISPEECH")}
    return subprocess.run(
        command, cwd=recipe, env={**known, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900,
    )  # fmt: skip


def from_server(server) -> list[str]:
    return ["--url", server.url, "--alignments_url", f"{server.url}/alignments.zip", "--num_valid", "4"]


def prepare(recipe: Path, server, root: Path, *options: str) -> subprocess.CompletedProcess:
    """Stage 1 alone, in folders of the test's own."""
    folders = ["--corpus", str(root / "LibriSpeech"), "--datadir", str(root / "data")]
    folders += ["--textgrids", str(root / "grids"), "--download", "true"]
    return run(recipe, "local/data.sh", *folders, *from_server(server), *options)


def test_from_nothing_to_the_report(recipe, server):
    words = ["./run.sh", "--download", "true", "--study", "seconds", "--analysis", "seconds"]
    words += ["--baselines", "mfcc", "--stop_stage", "11", "--data_opts", " ".join(from_server(server))]
    result = run(recipe, *words)
    assert result.returncode == 0, end_of(result.stdout)
    assert sorted(path.name for path in (recipe / "downloads").iterdir()) == ["LibriSpeech", "LibriSpeech-Alignments"]
    speakers = {
        name: set(datadir.read(recipe / "dump/data" / name, transcripts=True).speakers)
        for name in ("train", "valid", "eval")
    }
    assert speakers["valid"] <= speakers["train"] and not speakers["train"] & speakers["eval"]
    with open(recipe / "exp/seconds/report/scores.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["property"] for row in rows} >= {"phone", "word", "speaker"}
    assert {row["run"] for row in rows} >= {"random", "hubert_it1"}

    requests = len(server.requests)
    again = run(recipe, *words)
    assert again.returncode == 0, end_of(again.stdout)
    assert len(server.requests) == requests
    assert "making" not in again.stdout


def test_with_neither_corpus_nor_download_both_ways_are_named(recipe, tmp_path):
    result = run(recipe, "local/data.sh", "--datadir", str(tmp_path / "data"), LIBRISPEECH=str(tmp_path / "none"))
    assert result.returncode == 1
    assert f"no folder {tmp_path}/none/train-clean-5" in result.stdout
    assert {"--download", "--corpus", "LIBRISPEECH", "--textgrids"} <= set(result.stdout.replace(".", "").split())


def test_a_broken_download_goes_on_where_it_broke(recipe, server, tmp_path):
    body = server.files["/train-clean-5.tar.gz"]
    (tmp_path / "train-clean-5.tar.gz.part").write_bytes(body[:100_000])
    server.requests.clear()
    result = prepare(recipe, server, tmp_path)
    assert result.returncode == 0, end_of(result.stdout)
    assert ("/train-clean-5.tar.gz", "bytes=100000-") in server.requests
    assert len((tmp_path / "data/train/wav.scp").read_text()) > 0
    assert sorted(path.name for path in (tmp_path / "grids").iterdir()) == ["dev-clean-2", "train-clean-5"]


def test_a_wrong_sum_or_a_missing_archive_leaves_no_data(recipe, server, tmp_path, monkeypatch):
    sums = server.files["/md5sum.txt"]
    wrong = b"".join(b"0" * 32 + line[32:] for line in sums.splitlines(keepends=True))
    monkeypatch.setitem(server.files, "/md5sum.txt", wrong)
    result = prepare(recipe, server, tmp_path)
    assert result.returncode == 1 and "expected MD5 00000" in result.stdout
    monkeypatch.setitem(server.files, "/md5sum.txt", sums)
    monkeypatch.delitem(server.files, "/alignments.zip")
    result = prepare(recipe, server, tmp_path)
    assert result.returncode == 1 and "alignments.zip: the server answered 404" in result.stdout
    assert not (tmp_path / "data").exists()


def test_a_corpus_with_test_other_is_evaluated_on_it(recipe, server, tmp_path):
    unused = ["--download", "false"]
    assert prepare(recipe, server, tmp_path, "--textgrids", "").returncode == 0
    assert not (tmp_path / "grids").exists()
    (tmp_path / "LibriSpeech/dev-clean-2").rename(tmp_path / "LibriSpeech/test-other")
    result = prepare(recipe, server, tmp_path, *unused)
    assert result.returncode == 0, end_of(result.stdout)
    assert "/test-other/" in (tmp_path / "data/eval/wav.scp").read_text()
    named = prepare(recipe, server, tmp_path, *unused, "--eval_parts", "dev-clean-2")
    assert named.returncode == 1 and "dev-clean-2" in named.stdout
