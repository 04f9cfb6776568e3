"""Fetch LibriSpeech: resumed when broken off, checked by MD5, unpacked in one step."""

import errno
import hashlib
import http.client
import logging
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubert_iter import __version__
from hubert_iter.errors import UserError, nearest

OPENSLR = "https://www.openslr.org/resources"
# The sums that openslr publishes in resources/12/md5sum.txt and resources/31/md5sum.txt.
MD5 = {
    "dev-clean": "42e2234ba48799c1f50f24a7926300a1",
    "dev-other": "c8d0bcc9cca99d4f8b62fcc847357931",
    "test-clean": "32fa31d27d2e1cad72775fee3f4849a9",
    "test-other": "fb5a50374b501bb3bac4815ee91d3135",
    "train-clean-100": "2a93770f6d5c6c964bc36631d331a522",
    "train-clean-360": "c0e676e450a7ff2f54aeade5171606fa",
    "train-other-500": "d1a0fd59409feb2c614ce4d30c387708",
    "train-clean-5": "5df7d4e78065366204ca6845bb08f490",
    "dev-clean-2": "6d7ab67ac6a1d2c993d050e16d61080d",
}
# Mini LibriSpeech, openslr's resource 31, and the part of LibriSpeech that each of its parts was drawn from.
MINI = {"train-clean-5": "train-clean-100", "dev-clean-2": "dev-clean"}
_BLOCK = 1 << 20
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetcher:
    """How to fetch: attempts without progress before giving up, seconds between them, and to wait for the server."""

    attempts: int = 5
    wait: float = 10.0
    timeout: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    def text(self, url: str) -> str | None:
        """A small text file; None when the server does not have it."""
        try:
            with urllib.request.urlopen(_request(url), timeout=self.timeout) as response:
                return response.read(_BLOCK).decode("utf-8", errors="replace")
        except urllib.error.HTTPError as error:
            if error.code in (403, 404, 410):
                return None
            raise UserError(f"{url}: the server answered {error.code} {error.reason}. Try again later") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UserError(f"{url}: cannot be fetched ({error}). Check the address and the network") from None

    def file(self, url: str, path: Path, md5: str) -> None:
        """Fetch a file whose sum is known. What there is so far stays in PATH.part, and the next call goes on there."""
        if path.is_file() and _md5(path) == md5:
            log.info("%s: already here", path)
            return
        partial = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        for last in (False, True):
            resumed = partial.is_file() and partial.stat().st_size > 0
            self._complete(url, partial)
            found = _md5(partial)
            if found == md5:
                partial.replace(path)
                return
            partial.unlink()
            if last or not resumed:
                break
            log.warning("%s: wrong sum after resuming, fetched again from its beginning", url)
        raise UserError(
            f"{url}: expected MD5 {md5}, found {found}. The damaged file was deleted. Try again, or another --url"
        )

    def _complete(self, url: str, partial: Path) -> None:
        """Fetch until all is there, resuming after each break; give up after `attempts` without progress."""
        failures = 0
        while True:
            before = partial.stat().st_size if partial.is_file() else 0
            try:
                self._fetch(url, partial, before)
                return
            except urllib.error.HTTPError as error:
                fault = f"the server answered {error.code} {error.reason}"
                if error.code < 500 and error.code not in (408, 429):
                    raise UserError(f"{url}: {fault}. Check the address") from None
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
                fault = str(error)
            after = partial.stat().st_size if partial.is_file() else 0
            failures = 0 if after > before else failures + 1
            if failures >= self.attempts:
                raise UserError(
                    f"{url}: broken off {failures} times without progress ({fault}). {after} bytes are kept in "
                    f"{partial}; the same command goes on from there"
                )
            log.warning("%s: broken off at %d bytes (%s), going on", url, after, fault)
            self.sleep(self.wait)

    def _fetch(self, url: str, partial: Path, have: int) -> None:
        try:
            response = urllib.request.urlopen(_request(url, have), timeout=self.timeout)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing after what is here: complete, or of another file; the sum will tell
                return
            raise
        except ValueError as error:
            raise UserError(f"{url}: not an address ({error})") from None
        with response:
            appending = response.status == 206
            if appending and not (response.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
                raise http.client.HTTPException(f"asked for bytes from {have}, got another range")
            length = response.headers.get("Content-Length")
            expected = (have if appending else 0) + int(length) if length else None
            _refuse_full_disk(url, partial, int(2.1 * (expected or 0)) - have)
            with full_disk_named(partial.parent), open(partial, "ab" if appending else "wb") as file:
                _copy(response, file, url, have if appending else 0, expected)
                if expected is not None and file.tell() < expected:
                    raise http.client.HTTPException(f"connection closed at {file.tell()} of {expected} bytes")


def download(parts: list[str], corpus: Path, url: str = "", fetcher: Fetcher | None = None) -> None:
    """Fetch and unpack parts to `corpus`/PART, by way of archives beside `corpus`; a part that is there is complete.

    `url` is the folder of the archives (default: openslr's own); its md5sum.txt goes before the sums known here.
    """
    fetcher = fetcher or Fetcher()
    wanted = [part for part in parts if not present(corpus / part)]
    published = fetcher.text(f"{url.rstrip('/')}/md5sum.txt") if url and wanted else None
    sums = {part: _sum_of(part, url, published) for part in wanted}
    for part, md5 in sums.items():
        base = url.rstrip("/") or f"{OPENSLR}/{31 if part in MINI else 12}"
        archive = corpus.parent / f"{part}.tar.gz"
        fetcher.file(f"{base}/{part}.tar.gz", archive, md5)
        unpack(archive, corpus, part)
        archive.unlink()
        log.info("%s: unpacked and checked", corpus / part)


def unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack aside, then rename: `folder`/`name` exists only when complete.

    A leading LibriSpeech/ is taken away. The files beside the part (SPEAKERS.TXT ...) are kept too. Members that point
    outside are refused.
    """
    with unpacking(folder / f".unpacking-{name}") as work:
        extract(archive, work)
        root = work / "LibriSpeech" if (work / "LibriSpeech").is_dir() else work
        if not (root / name).is_dir():
            raise UserError(f"{archive}: expected a folder LibriSpeech/{name}, found none. Is it the right archive?")
        for entry in root.iterdir():
            if entry.is_file() and not (folder / entry.name).exists():
                entry.replace(folder / entry.name)
        (root / name).replace(folder / name)


@contextmanager
def unpacking(work: Path) -> Iterator[Path]:
    """A fresh folder to unpack into, gone afterwards whatever happens."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with full_disk_named(work.parent):
            yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Turn a full disk, or a quota used up, into a UserError that says which folder and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{folder}: {error.strerror}. What was fetched is kept: make room, and the same command goes on from there"
        ) from None


def extract(archive: Path, work: Path, wanted: Callable[[str], bool] = lambda member: True) -> None:
    """Unpack the wanted members of a tar or zip file, by their names. UserError where one points outside."""
    try:
        if not archive.name.endswith(".zip"):
            with tarfile.open(archive) as tar:
                tar.extractall(work, (member for member in tar if wanted(member.name)), filter="data")
            return
        with zipfile.ZipFile(archive) as file:
            members = file.namelist()
            for member in members:
                if member.startswith(("/", "\\")) or ".." in Path(member).parts:
                    raise ValueError(f"member {member} points outside")
            file.extractall(work, [member for member in members if wanted(member)])
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise UserError(f"{archive}: cannot be unpacked ({error}). Delete it and download it again") from None


def _request(url: str, have: int = 0) -> urllib.request.Request:
    """Some servers turn Python's own name away, so give ours."""
    headers = {"User-Agent": f"hubert_iter/{__version__}"} | ({"Range": f"bytes={have}-"} if have else {})
    return urllib.request.Request(url, headers=headers)


def present(folder: Path) -> bool:
    """Is the folder there? Then it is complete."""
    if folder.is_dir():
        log.info("%s: already here, not downloaded", folder)
        return True
    return False


def _sum_of(part: str, url: str, published: str | None) -> str:
    sums = {name: MD5[name] for name in MD5} | {
        name.removesuffix(".tar.gz"): md5 for name, md5 in parse_sums(published or "").items()
    }
    if part not in sums:
        place = f"{url.rstrip('/')}/md5sum.txt" if url else "the parts of LibriSpeech"
        raise UserError(f"part '{part}': not in {place}{nearest(part, sums)}. Known: {', '.join(sorted(sums))}")
    return sums[part]


def parse_sums(text: str) -> dict[str, str]:
    """File name -> sum, from lines as md5sum writes them."""
    sums = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 2 and len(fields[0]) == 32:
            sums[fields[1].removeprefix("*").rsplit("/", 1)[-1]] = fields[0].lower()
    return sums


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _refuse_full_disk(url: str, partial: Path, needed: int) -> None:
    """Packed and unpacked files lie side by side for a while, so about twice the size is needed."""
    free = shutil.disk_usage(partial.parent).free
    if free < needed:
        raise UserError(
            f"{partial.parent}: {url} needs about {needed / 1e9:.1f} GB of free space to download and unpack, "
            f"found {free / 1e9:.1f} GB"
        )


def _copy(response, file, url: str, done: int, expected: int | None) -> None:
    """Copy to the file, saying every 30 seconds how far it is."""
    said = time.monotonic()
    while block := response.read(_BLOCK):
        file.write(block)
        done += len(block)
        if time.monotonic() - said > 30:
            said = time.monotonic()
            share = f" of {expected / 1e6:.0f} MB ({100 * done / expected:.0f} %)" if expected else ""
            log.info("%s: %.0f MB%s", url, done / 1e6, share)
