"""What a crop of a part of a long recording costs: read where it is, and in what stage 2 has cut.

Two recordings of --minutes, which a crop is taken from by turns, in each form that wav.scp may name: a FLAC, an MP3,
and a command that decodes the FLAC (sox where there is one, else cat). Milliseconds are the processor's. With --check
it exits 1 where a crop of what was cut takes more than 5.
"""

import argparse
import contextlib
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from hubert_iter.bin import filter_data
from hubert_iter.data import datadir
from hubert_iter.data.audio import read_audio
from hubert_iter.data.datadir import Utterance

MOST_MS = 5.0
PART_SECONDS, CROP_SECONDS = 12.0, 8.0


def generate(folder: Path, minutes: float) -> dict[str, list[str]]:
    """Form -> its two entries of wav.scp."""
    generator = np.random.default_rng(0)
    entries: dict[str, list[str]] = {"FLAC": [], "MP3": [], "command": []}
    for number in range(2):
        count = int(minutes * 60 * 16000)
        noise = np.convolve(generator.normal(0, 2000, count), (0.4, 0.3, 0.2, 0.1), mode="same").astype(np.int16)
        for form in ("FLAC", "MP3"):
            path = folder / f"{number}.{form.lower()}"
            soundfile.write(path, noise, 16000)
            entries[form].append(str(path))
        flac = entries["FLAC"][-1]
        entries["command"].append(f"sox {flac} -t wav - |" if shutil.which("sox") else f"cat {flac} |")
    return entries


def parts(form: str, wavs: list[str], minutes: float) -> list[Utterance]:
    """All parts of both recordings."""
    return [
        Utterance(
            f"{form}-{n:04d}-{number}", "s", int(PART_SECONDS * 16000), wav, n * PART_SECONDS, (n + 1) * PART_SECONDS,
            f"{form}-{number}",
        )
        for n in range(int(minutes * 60 / PART_SECONDS))
        for number, wav in enumerate(wavs)
    ]  # fmt: skip


def processor_seconds() -> float:
    """Of this process and of the commands that it ran: the wall's would be others' too where a machine is busy."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def crop_ms(before: list[Utterance], after: list[Utterance], crops: int) -> tuple[float, float]:
    """Median milliseconds of the same crops from both, in turn; crops are of both recordings by turns."""
    generator = np.random.default_rng(1)
    cut = {utterance.id: utterance for utterance in after}
    sides = [[u for u in before if u.id.endswith(f"-{number}")] for number in range(2)]
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(crops):
        utterance = sides[number % 2][generator.integers(len(sides[0]))]
        start = 320 * int(generator.integers(200))
        for times, each in zip(taken, (utterance, cut[utterance.id]), strict=True):
            began = processor_seconds()
            read_audio(each, start, int(CROP_SECONDS * 16000))
            times.append(1000 * (processor_seconds() - began))
    return statistics.median(taken[0]), statistics.median(taken[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="of each recording")
    parser.add_argument("--crops", type=int, default=30)
    parser.add_argument("--nj", type=int, default=2)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = generate(folder, args.minutes)
        print(f"two recordings of {args.minutes:g} minutes, crops of {CROP_SECONDS:g} s, load {os.getloadavg()[0]:.1f}")
        for form, wavs in entries.items():
            given = parts(form, wavs, args.minutes)
            datadir.write(folder / form, given)
            began = time.perf_counter()
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
                filter_data.main(
                    ["--data", str(folder / form), "--out", str(folder / "o" / form), "--nj", str(args.nj)]
                )
            seconds = time.perf_counter() - began
            data = datadir.read(folder / "o" / form)
            before, after = crop_ms(given, list(data.utterances), args.crops)
            size = (data.path / "audio.ark").stat().st_size / 1e6
            worst = max(worst, after)
            print(
                f"{form}: {before:.1f} ms a crop before, {after:.2f} ms after, ratio {before / after:.1f}; "
                f"stage 2 took {seconds:.1f} s for {2 * args.minutes:g} minutes, {size:.0f} MB"
            )
    if args.check and worst > MOST_MS:
        sys.exit(f"target missed: a crop of what was cut takes {worst:.1f} ms, at most {MOST_MS:g} are wanted")


if __name__ == "__main__":
    main()
