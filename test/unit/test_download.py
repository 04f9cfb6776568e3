"""Downloads from a server of our own: resumed, checked, unpacked in one step."""

import io
import zipfile
from pathlib import Path

import pytest
from archive_server import packed, running_server, serve

from hubert_iter.bin import download_librispeech
from hubert_iter.corpora import download as download_module
from hubert_iter.corpora.download import Fetcher, download
from hubert_iter.corpora.public_alignments import download_alignments
from hubert_iter.errors import UserError

CONTENT = {f"tiny-part/1/2/1-2-{n:04}.flac": bytes([n]) * 40000 for n in range(3)}


@pytest.fixture
def server():
    with running_server() as server:
        members = CONTENT | {"SPEAKERS.TXT": b"; s"}
        serve(server, "tiny-part.tar.gz", packed({f"LibriSpeech/{name}": data for name, data in members.items()}))
        yield server


def fetcher(attempts: int = 3) -> Fetcher:
    return Fetcher(attempts=attempts, wait=0, timeout=20, sleep=lambda seconds: None)


def unpacked(out: Path) -> dict[str, bytes]:
    root = out / "LibriSpeech"
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def asked(server) -> list[str | None]:
    return [wanted for path, wanted in server.requests if path == "/tiny-part.tar.gz"]


def test_download_unpack_and_nothing_the_second_time(server, tmp_path):
    options = ["--parts", "tiny-part", "--corpus", str(tmp_path / "LibriSpeech"), "--url", server.url + "/"]
    download_librispeech.main(options)
    assert unpacked(tmp_path) == CONTENT | {"SPEAKERS.TXT": b"; s"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["LibriSpeech"]  # neither archive nor rests
    count = len(server.requests)
    download_librispeech.main(options)
    assert len(server.requests) == count


def test_a_broken_connection_is_resumed_where_it_broke(server, tmp_path):
    server.breaks = [50000, 30000]
    download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert asked(server) == [None, "bytes=50000-", "bytes=80000-"]
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, tmp_path):
    server.breaks = [70000, 0, 0]
    with pytest.raises(UserError, match="broken off 2 times without progress .* 70000 bytes are kept in .*gz.part"):
        download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher(attempts=2))
    assert not (tmp_path / "LibriSpeech" / "tiny-part").exists()
    server.requests.clear()
    server.breaks.clear()
    download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert asked(server) == ["bytes=70000-"]
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges = False
    server.breaks = [50000]
    download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_complete_part_file_is_not_fetched_again(server, tmp_path):
    (tmp_path / "tiny-part.tar.gz.part").write_bytes(server.files["/tiny-part.tar.gz"])
    download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert len(asked(server)) == 1
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_rest_of_another_file_is_thrown_away_and_fetched_anew(server, tmp_path):
    (tmp_path / "tiny-part.tar.gz.part").write_bytes(b"rubbish" * 1000)
    download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert asked(server) == ["bytes=7000-", None]
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_wrong_sum_is_refused(server, tmp_path):
    serve(server, "other.tar.gz", b"not what was published", md5="0" * 32)
    with pytest.raises(UserError, match="expected MD5 0{32}, found [0-9a-f]{32}. The damaged file was deleted"):
        download(["other"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert not list(tmp_path.iterdir())


def test_busy_servers_are_asked_again_and_missing_files_are_not(server, tmp_path):
    server.failures = [503, 429]
    download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert len(asked(server)) == 3
    serve(server, "gone.tar.gz", b"x")
    del server.files["/gone.tar.gz"]
    with pytest.raises(UserError, match="gone.tar.gz: the server answered 404"):
        download(["gone"], tmp_path / "LibriSpeech", server.url, fetcher())


def test_unknown_parts_and_addresses(server, tmp_path):
    with pytest.raises(UserError, match=r"part 'tiny-par': not in .*md5sum.txt \(did you mean tiny-part\?\)"):
        download(["tiny-par"], tmp_path / "LibriSpeech", server.url, fetcher())
    with pytest.raises(UserError, match=r"part 'dev-cleen': not in the parts .*did you mean dev-clean"):
        download(["dev-cleen"], tmp_path / "LibriSpeech", "", fetcher())
    with pytest.raises(UserError, match="cannot be fetched"):
        download(["dev-clean"], tmp_path / "LibriSpeech", "http://127.0.0.1:1", fetcher())


def test_absolute_members_stay_inside(server, tmp_path):
    outside = tmp_path / "outside" / "evil.flac"
    serve(server, "evil.tar.gz", packed({"LibriSpeech/evil/a": b"1", str(outside): b"2"}))
    download(["evil"], tmp_path / "out/LibriSpeech", server.url, fetcher())
    assert not outside.exists()
    assert unpacked(tmp_path / "out") == {"evil/a": b"1"}


@pytest.mark.parametrize("name", ["../evil.flac", "LibriSpeech/../../evil.flac"])
def test_members_that_point_outside_are_refused(server, tmp_path, name):
    serve(server, "evil.tar.gz", packed({"LibriSpeech/evil/a": b"1", name: b"2"}))
    with pytest.raises(UserError, match="cannot be unpacked"):
        download(["evil"], tmp_path / "out/LibriSpeech", server.url, fetcher())
    assert not list(tmp_path.rglob("evil.flac"))
    assert not (tmp_path / "out" / "LibriSpeech" / "evil").exists()


def test_a_truncated_or_wrong_archive_leaves_no_part(server, tmp_path):
    whole = server.files["/tiny-part.tar.gz"]
    serve(server, "cut.tar.gz", whole[:60000])
    with pytest.raises(UserError, match="cut.tar.gz: cannot be unpacked"):
        download(["cut"], tmp_path / "LibriSpeech", server.url, fetcher())
    serve(server, "misnamed.tar.gz", whole)
    with pytest.raises(UserError, match="expected a folder LibriSpeech/misnamed, found none"):
        download(["misnamed"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert not [path for path in (tmp_path / "LibriSpeech").iterdir()]


@pytest.mark.parametrize("room", ["announced", "used up"])
def test_a_full_disk_is_named_and_what_was_fetched_is_kept(server, tmp_path, monkeypatch, room):
    if room == "announced":
        free = download_module.shutil.disk_usage(tmp_path)._replace(free=200_000)
        monkeypatch.setattr(download_module.shutil, "disk_usage", lambda path: free)
        with pytest.raises(UserError, match=r"needs about 0.0 GB of free space to download and unpack, found 0.0 GB"):
            download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
        return
    partial = tmp_path / "tiny-part.tar.gz.part"
    partial.symlink_to("/dev/full")
    with pytest.raises(UserError, match=f"{tmp_path}: No space left on device. What was fetched is kept: make room"):
        download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
    partial.unlink()
    download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_disk_that_fills_up_while_unpacking_is_named_and_nothing_is_fetched_again(server, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(download_module.tarfile.TarFile, "extractall", full)
        with pytest.raises(UserError, match="LibriSpeech: No space left on device"):
            download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert not list((tmp_path / "LibriSpeech").iterdir())
    download(["tiny-part"], tmp_path / "LibriSpeech", server.url, fetcher())
    assert asked(server) == [None]
    assert unpacked(tmp_path).keys() > CONTENT.keys()


GRIDS = ("dev-clean/1/2/1-2-0000", "dev-clean/1/2/1-2-0001", "dev-clean/3/4/3-4-0000", "train-clean-100/5/6/5-6-0000")


def audio(root: Path, *paths: str) -> None:
    for path in paths:
        (root / "LibriSpeech" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "LibriSpeech" / f"{path}.flac").touch()


def serve_grids(server, prefix: str = "LibriSpeech/", kind: str = "zip") -> str:
    members = {f"{prefix}{path}.TextGrid": path.encode() for path in GRIDS} | {f"{prefix}README.txt": b""}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    serve(server, f"ali.{kind}", buffer.getvalue() if kind == "zip" else packed(members))
    return f"{server.url}/ali.{kind}"


def aligned(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("prefix", "kind"), [("LibriSpeech/", "zip"), ("", "zip"), ("a/b/", "zip"), ("LibriSpeech/", "tar.gz")]
)
def test_alignments_of_the_parts_wanted_and_no_others(server, tmp_path, prefix, kind):
    audio(tmp_path, "dev-clean/1/2/1-2-0000", "dev-clean/1/2/1-2-0001", "dev-clean/1/2/1-2-0002")
    url = serve_grids(server, prefix, kind)
    for _ in range(2):
        download_alignments(["dev-clean"], tmp_path / "LibriSpeech", tmp_path / "ali", url, fetcher())
    assert aligned(tmp_path / "ali") == [f"dev-clean/1/2/1-2-000{n}.TextGrid" for n in range(2)]
    assert [path for path, _ in server.requests].count(f"/ali.{kind}") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["LibriSpeech", "ali"]


def test_alignments_of_mini_librispeech_are_those_of_the_parts_that_it_was_drawn_from(server, tmp_path):
    audio(tmp_path, "train-clean-5/5/6/5-6-0000", "dev-clean-2/3/4/3-4-0000")
    url = serve_grids(server)
    parts = ["train-clean-5", "dev-clean-2"]
    download_alignments(parts, tmp_path / "LibriSpeech", tmp_path / "ali", url, fetcher())
    assert aligned(tmp_path / "ali") == ["dev-clean-2/3/4/3-4-0000.TextGrid", "train-clean-5/5/6/5-6-0000.TextGrid"]
    assert (tmp_path / "ali/dev-clean-2/3/4/3-4-0000.TextGrid").read_text() == "dev-clean/3/4/3-4-0000"


def test_alignments_of_the_whole_part_serve_its_mini_part(server, tmp_path):
    (tmp_path / "ali/dev-clean").mkdir(parents=True)
    download_alignments(["dev-clean-2"], tmp_path / "LibriSpeech", tmp_path / "ali", serve_grids(server), fetcher())
    assert not server.requests


def test_alignments_of_other_utterances_are_refused(server, tmp_path):
    audio(tmp_path, "dev-clean/7/8/7-8-0000")
    url = serve_grids(server)
    with pytest.raises(UserError, match="expected 7-8-0000.TextGrid and others of dev-clean, found none of its 1 utt"):
        download_alignments(["dev-clean"], tmp_path / "LibriSpeech", tmp_path / "ali", url, fetcher())
    assert not (tmp_path / "ali").exists()
    with pytest.raises(UserError, match="LibriSpeech/dev-other: expected .* found no utterance to align"):
        download_alignments(["dev-other"], tmp_path / "LibriSpeech", tmp_path / "ali", url, fetcher())


def test_corpus_and_alignments_in_one_call(server, tmp_path):
    serve(server, "dev-clean.tar.gz", packed({f"LibriSpeech/{path}.flac": b"1" for path in GRIDS[:3]}))
    corpus = tmp_path / "a corpus of any name"
    options = ["--parts", "dev-clean", "--corpus", str(corpus), "--url", server.url]
    download_librispeech.main(options)
    assert [path.name for path in tmp_path.iterdir()] == [corpus.name]
    options += ["--alignments", str(tmp_path / "grids"), "--alignments_url", serve_grids(server)]
    download_librispeech.main(options)
    assert aligned(tmp_path / "grids") == [f"{path}.TextGrid" for path in GRIDS[:3]]


def test_an_evil_zip_is_refused(server, tmp_path):
    audio(tmp_path / "out", "dev-clean/1/2/1-2-0000")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("../../1-2-0000.TextGrid", "grid")
    serve(server, "ali.zip", buffer.getvalue())
    with pytest.raises(UserError, match="points outside"):
        download_alignments(
            ["dev-clean"], tmp_path / "out/LibriSpeech", tmp_path / "out/ali", f"{server.url}/ali.zip", fetcher()
        )
    assert not list(tmp_path.rglob("1-2-0000.TextGrid"))
