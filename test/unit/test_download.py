"""Downloads from a server of our own: resumed, checked, unpacked in one step."""

import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from hubert_iter.bin import download_librispeech
from hubert_iter.corpora.download import Fetcher, download, download_alignments
from hubert_iter.errors import UserError

CONTENT = {f"tiny-part/1/2/1-2-{n:04}.flac": bytes([n]) * 40000 for n in range(3)}


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; `ranges` switches resuming off, `breaks` holds after how many bytes to hang up, one an answer."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.breaks: list[int] = []
        self.failures: list[int] = []
        self.ranges = True
        self.requests: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):  # noqa: N802
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        body = self.server.files.get(self.path)
        if body is None:
            return self.send_error(404)
        if self.server.failures and not self.path.endswith("md5sum.txt"):
            return self.send_error(self.server.failures.pop(0))
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.ranges else 0
        if first >= len(body):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        cut = None if self.path.endswith("md5sum.txt") or not self.server.breaks else self.server.breaks.pop(0)
        self.wfile.write(body[first:] if cut is None else body[first : first + cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        members = CONTENT | {"SPEAKERS.TXT": b"; s"}
        serve(server, "tiny-part.tar.gz", packed({f"LibriSpeech/{name}": data for name, data in members.items()}))
        yield server
        server.shutdown()
        thread.join()


def packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=0) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def serve(server, name: str, body: bytes, md5: str | None = None) -> None:
    server.files[f"/{name}"] = body
    sums = server.files.get("/md5sum.txt", b"").decode()
    server.files["/md5sum.txt"] = f"{sums}{md5 or hashlib.md5(body).hexdigest()}  {name}\n".encode()


def fetcher(attempts: int = 3) -> Fetcher:
    return Fetcher(attempts=attempts, wait=0, timeout=20, sleep=lambda seconds: None)


def unpacked(out: Path) -> dict[str, bytes]:
    root = out / "LibriSpeech"
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def asked(server) -> list[str | None]:
    return [wanted for path, wanted in server.requests if path == "/tiny-part.tar.gz"]


def test_download_unpack_and_nothing_the_second_time(server, tmp_path):
    options = ["--parts", "tiny-part", "--out", str(tmp_path), "--url", server.url + "/"]
    download_librispeech.main(options)
    assert unpacked(tmp_path) == CONTENT | {"SPEAKERS.TXT": b"; s"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["LibriSpeech"]  # neither archive nor rests
    count = len(server.requests)
    download_librispeech.main(options)
    assert len(server.requests) == count


def test_a_broken_connection_is_resumed_where_it_broke(server, tmp_path):
    server.breaks = [50000, 30000]
    download(["tiny-part"], tmp_path, server.url, fetcher())
    assert asked(server) == [None, "bytes=50000-", "bytes=80000-"]
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, tmp_path):
    server.breaks = [70000, 0, 0]
    with pytest.raises(UserError, match="broken off 2 times without progress .* 70000 bytes are kept in .*gz.part"):
        download(["tiny-part"], tmp_path, server.url, fetcher(attempts=2))
    assert not (tmp_path / "LibriSpeech" / "tiny-part").exists()
    server.requests.clear()
    server.breaks.clear()
    download(["tiny-part"], tmp_path, server.url, fetcher())
    assert asked(server) == ["bytes=70000-"]
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges = False
    server.breaks = [50000]
    download(["tiny-part"], tmp_path, server.url, fetcher())
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_complete_part_file_is_not_fetched_again(server, tmp_path):
    (tmp_path / "tiny-part.tar.gz.part").write_bytes(server.files["/tiny-part.tar.gz"])
    download(["tiny-part"], tmp_path, server.url, fetcher())
    assert len(asked(server)) == 1
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_rest_of_another_file_is_thrown_away_and_fetched_anew(server, tmp_path):
    (tmp_path / "tiny-part.tar.gz.part").write_bytes(b"rubbish" * 1000)
    download(["tiny-part"], tmp_path, server.url, fetcher())
    assert asked(server) == ["bytes=7000-", None]
    assert unpacked(tmp_path).keys() > CONTENT.keys()


def test_a_wrong_sum_is_refused(server, tmp_path):
    serve(server, "other.tar.gz", b"not what was published", md5="0" * 32)
    with pytest.raises(UserError, match="expected MD5 0{32}, found [0-9a-f]{32}. The damaged file was deleted"):
        download(["other"], tmp_path, server.url, fetcher())
    assert not list(tmp_path.iterdir())


def test_busy_servers_are_asked_again_and_missing_files_are_not(server, tmp_path):
    server.failures = [503, 429]
    download(["tiny-part"], tmp_path, server.url, fetcher())
    assert len(asked(server)) == 3
    serve(server, "gone.tar.gz", b"x")
    del server.files["/gone.tar.gz"]
    with pytest.raises(UserError, match="gone.tar.gz: the server answered 404"):
        download(["gone"], tmp_path, server.url, fetcher())


def test_unknown_parts_and_addresses(server, tmp_path):
    with pytest.raises(UserError, match=r"part 'tiny-par': not in .*md5sum.txt \(did you mean tiny-part\?\)"):
        download(["tiny-par"], tmp_path, server.url, fetcher())
    with pytest.raises(UserError, match=r"part 'dev-cleen': not in the parts .*did you mean dev-clean"):
        download(["dev-cleen"], tmp_path, "", fetcher())
    with pytest.raises(UserError, match="cannot be fetched"):
        download(["dev-clean"], tmp_path, "http://127.0.0.1:1", fetcher())


def test_absolute_members_stay_inside(server, tmp_path):
    outside = tmp_path / "outside" / "evil.flac"
    serve(server, "evil.tar.gz", packed({"LibriSpeech/evil/a": b"1", str(outside): b"2"}))
    download(["evil"], tmp_path / "out", server.url, fetcher())
    assert not outside.exists()
    assert unpacked(tmp_path / "out") == {"evil/a": b"1"}


@pytest.mark.parametrize("name", ["../evil.flac", "LibriSpeech/../../evil.flac"])
def test_members_that_point_outside_are_refused(server, tmp_path, name):
    serve(server, "evil.tar.gz", packed({"LibriSpeech/evil/a": b"1", name: b"2"}))
    with pytest.raises(UserError, match="cannot be unpacked"):
        download(["evil"], tmp_path / "out", server.url, fetcher())
    assert not list(tmp_path.rglob("evil.flac"))
    assert not (tmp_path / "out" / "LibriSpeech" / "evil").exists()


def test_a_truncated_or_wrong_archive_leaves_no_part(server, tmp_path):
    whole = server.files["/tiny-part.tar.gz"]
    serve(server, "cut.tar.gz", whole[:60000])
    with pytest.raises(UserError, match="cut.tar.gz: cannot be unpacked"):
        download(["cut"], tmp_path, server.url, fetcher())
    serve(server, "misnamed.tar.gz", whole)
    with pytest.raises(UserError, match="expected a folder LibriSpeech/misnamed, found none"):
        download(["misnamed"], tmp_path, server.url, fetcher())
    assert not [path for path in (tmp_path / "LibriSpeech").iterdir()]


@pytest.mark.parametrize("prefix", ["LibriSpeech/", "", "LibriSpeech-Alignments/"])
def test_alignments(server, tmp_path, prefix):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(f"{prefix}dev-clean/1/2/1-2-0000.TextGrid", "grid")
    serve(server, "ali.zip", buffer.getvalue())
    for _ in range(2):
        download_alignments(tmp_path, f"{server.url}/ali.zip", fetcher())
    found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert found == ["LibriSpeech-Alignments/dev-clean/1/2/1-2-0000.TextGrid"]
    assert [path for path, _ in server.requests].count("/ali.zip") == 1


def test_an_evil_zip_is_refused(server, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("../../evil.TextGrid", "grid")
    serve(server, "ali.zip", buffer.getvalue())
    with pytest.raises(UserError, match="points outside"):
        download_alignments(tmp_path / "out", f"{server.url}/ali.zip", fetcher())
    assert not list(tmp_path.rglob("evil*"))
