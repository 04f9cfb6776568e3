"""The ark that stage 2 writes is one that kaldiio, hence ESPnet, reads."""

import kaldiio
import numpy as np
import soundfile

from hubert_iter.bin import filter_data
from hubert_iter.data import datadir
from hubert_iter.data.datadir import Utterance


def test_kaldiio_reads_what_was_cut(tmp_path):
    samples = (np.random.default_rng(0).standard_normal(48000) * 2000).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", samples, 16000)
    parts = [Utterance(f"a-{n}", "a", 0, str(tmp_path / "a.flac"), n, n + 1.0, "r") for n in range(3)]
    datadir.write(tmp_path / "d", parts)
    filter_data.main(["--data", str(tmp_path / "d"), "--out", str(tmp_path / "o")])
    theirs = kaldiio.load_scp(str(tmp_path / "o/wav.scp"))
    assert list(theirs) == ["a-0", "a-1", "a-2"]
    for number, key in enumerate(theirs):
        rate, found = theirs[key]
        assert rate == 16000
        np.testing.assert_array_equal(np.rint(found * 32768), samples[16000 * number :][:16000])
    with open(tmp_path / "o/audio.ark", "rb") as ark:
        assert [key for key, _ in kaldiio.load_ark(ark)] == list(theirs)
