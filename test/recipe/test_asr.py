"""Recognition on the layers of the recipe's networks: asr.sh, all stages; ESPnet's own program with our front end."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import soundfile
import torch
import yaml
from recipe_runs import Folders, end_of, running, wait_until
from tiny import ROOT

from hubert_iter import provenance
from hubert_iter.asr import tokens, train
from hubert_iter.bin import asr_decode, asr_ngram, asr_train
from hubert_iter.data import datadir
from hubert_iter.errors import UserError

pytest.importorskip("jiwer", reason="ESPnet's recognition is not installed (tools/install.sh --extras test,asr)")
RECIPE = ROOT / "egs/synth/asr1/run.sh"
QUICK = {
    "phone": {"base": "ctc_linear", "max_epoch": 2},
    "bpe": {"base": "ctc_rnn", "max_epoch": 2, "encoder_conf": {"hidden_size": 16, "output_size": 16}},
}


class Recogniser:
    """asr.sh on what ssl.sh has left in a folder."""

    def __init__(self, folders: Folders):
        self.folders, self.root = folders, folders.root / "asr"
        self.root.mkdir(exist_ok=True)
        for unit, values in QUICK.items():
            (self.root / f"quick_{unit}.yaml").write_text(yaml.safe_dump(values))

    def command(self, *options: str) -> list[str]:
        folders = self.folders
        # asr_config is a list of words, so a path with a space goes by a name without one.
        link = folders.root.parent / "quick"
        if not link.exists():
            link.symlink_to(self.root)
        config = " ".join(f"{unit}={link}/quick_{unit}.yaml" for unit in QUICK)
        words = ["--study", "ci", "--runs", "hubert_it1.2", "--baselines", "logmel", "--nj", "2", "--nbpe", "40"]
        words += ["--ssl_dumpdir", str(folders.dump), "--ssl_expdir", str(folders.exp), "--ctm_dir", str(folders.data)]
        words += ["--dumpdir", str(self.root / "dump"), "--expdir", str(self.root / "exp"), "--asr_config", config]
        return [str(RECIPE), *words, *options]

    def run(self, *options: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*options), env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=900,
        )  # fmt: skip


@pytest.fixture(scope="module")
def recognised(finished, tmp_path_factory) -> tuple[Recogniser, str]:
    """On a copy: its measures would change the finished recipe, which other tests look at."""
    root = tmp_path_factory.mktemp("recognised") / "with space"
    shutil.copytree(finished[0].root, root, symlinks=True)
    recogniser = Recogniser(Folders(root))
    result = recogniser.run()
    assert result.returncode == 0, end_of(result.stdout)
    return recogniser, result.stdout


def test_every_network_has_error_rates_of_phones_words_and_characters(recognised):
    recogniser, _ = recognised
    header, *rows = (recogniser.root / "exp/ci/table/error_rates.tsv").read_text().splitlines()
    found = {tuple(row.split("\t")[:2]) for row in rows}
    assert found == {(name, what) for name in ("logmel", "hubert_it1") for what in ("phone", "word", "character")}
    assert all(float(row.split("\t")[3]) > 0 for row in rows)


def test_a_second_run_redoes_nothing(recognised):
    recogniser, _ = recognised
    made = {path: path.stat().st_mtime_ns for path in recogniser.root.rglob("provenance.json")}
    again = recogniser.run()
    assert again.returncode == 0, end_of(again.stdout)
    assert {path: path.stat().st_mtime_ns for path in recogniser.root.rglob("provenance.json")} == made
    assert not list(recogniser.root.rglob("layers/*/feats.ark")), "layers are kept during training alone"


def test_the_report_takes_the_rates_up_as_a_measure(recognised):
    recogniser, _ = recognised
    result = recogniser.folders.run("--stage", "11", "--stop_stage", "11")
    assert result.returncode == 0, end_of(result.stdout)
    rows = [row for row in recogniser.folders.scores() if row["metric"] == "layer_weight"]
    weights = [float(row["value"]) for row in rows if (row["run"], row["property"]) == ("hubert_it1.2", "phone")]
    assert sum(weights) == pytest.approx(1, abs=1e-3)
    page = (recogniser.folders.exp / "ci/report/index.html").read_text()
    sections = {part.partition('"')[0]: part for part in page.split('<h2 id="')[1:]}
    for what, section in (("phone", "phone_quick_phone"), ("word", "bpe40_quick_bpe")):
        assert f'aria-label="{what}: error rate' in sections[f"recognition.{section}_greedy_eval"]
        assert f'aria-label="{what}: learnt weight' in sections["cca"]


def test_a_second_call_for_words_alone_adds_to_the_report(recognised):
    """Of one network, on what the first call has trained, decoded with a beam."""
    recogniser, _ = recognised
    words = recogniser.command()[recogniser.command().index("--asr_config") + 1].split()[1]
    result = recogniser.run("--baselines", "", "--asr_config", words, "--beam", "2", "--stage", "3")
    assert result.returncode == 0, end_of(result.stdout)
    table = (recogniser.root / "exp/ci/table/error_rates.tsv").read_text().splitlines()[1:]
    assert {tuple(row.split("\t")[:2]) for row in table} == {("hubert_it1", "word"), ("hubert_it1", "character")}
    result = recogniser.folders.run("--stage", "11", "--stop_stage", "11")
    assert result.returncode == 0, end_of(result.stdout)
    scored = {(row["measure"], row["run"]) for row in recogniser.folders.scores() if row["metric"] == "error_rate"}
    assert scored == {
        ("recognition.phone_quick_phone_greedy_eval", "logmel"),
        ("recognition.phone_quick_phone_greedy_eval", "hubert_it1.2"),
        ("recognition.bpe40_quick_bpe_greedy_eval", "logmel"),
        ("recognition.bpe40_quick_bpe_greedy_eval", "hubert_it1.2"),
        ("recognition.bpe40_quick_bpe_beam2_ctc1.0_eval", "hubert_it1.2"),
    }


def test_a_stopped_training_goes_on_from_its_last_epoch(recognised, tmp_path):
    """As Ctrl-C on a terminal: the signal reaches the whole process group."""
    recogniser, _ = recognised
    config = tmp_path / "stopped.yaml"
    config.write_text(yaml.safe_dump({"base": "ctc_linear", "max_epoch": 12}))
    options = ["--baselines", "", "--asr_config", f"phone={config}", "--stage", "2", "--stop_stage", "2"]
    process = subprocess.Popen(
        recogniser.command(*options), env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    made = recogniser.root / "exp/ci/hubert_it1.2/phone_stopped"
    wait_until((made / "model.training/checkpoint.pth").exists)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)  # until all that write to the terminal have ended
    assert process.returncode in (128 + signal.SIGINT, -signal.SIGINT)  # run.sh itself may die of the signal at once
    wait_until(lambda: not running(str(made)), 60)
    assert not (made / "model").exists()
    again = recogniser.run(*options)
    assert again.returncode == 0, end_of(again.stdout)
    log = (recogniser.root / f"exp/ci/log/train_{made.name}.1.log").read_text()
    assert "The training was resumed using" in log
    started = [int(epoch) for epoch in re.findall(r"(\d+)/12epoch started", log)]
    assert started and started[0] > 1 and started[-1] == 12


def few(recogniser: Recogniser, name: str, folder: Path) -> Path:
    """The shortest utterances of a data set, under its name."""
    data = datadir.read(recogniser.folders.dump / "data" / name, transcripts=True)
    shortest = sorted(data.utterances, key=lambda utterance: utterance.num_samples)[:8]
    datadir.write(folder / name, shortest, data.text)
    provenance.write(folder / name, "test", {}, {})
    return folder / name


def test_beam_search_with_an_ngram_model(recognised, tmp_path):
    pytest.importorskip("kenlm", reason="kenlm is not installed (tools/install.sh --extras test,asr,ngram)")
    recogniser, _ = recognised
    data = few(recogniser, "eval", tmp_path)
    known = recogniser.root / "dump/tokens/bpe40"
    asr_ngram.main(["--tokens", str(known), "--set", "train", "--order", "2", "--out", str(tmp_path / "ngram")])
    trained = recogniser.root / "exp/ci/hubert_it1.2/bpe40_quick_bpe/model"
    options = ["--asr", str(trained), "--data", str(data), "--ngram", str(tmp_path / "ngram")]
    # At so large a weight the n-gram model alone says what is heard.
    for weight in ("0", "50"):
        asr_decode.main(
            [*options, "--beam", "2", "--ngram_weight", weight, "--out", str(tmp_path / f"weight {weight}")]
        )
    heard = [tokens.read_text(tmp_path / f"weight {weight}/text") for weight in ("0", "50")]
    assert heard[0].keys() == heard[1].keys() == {each.id for each in datadir.read(data).utterances}
    assert heard[0] != heard[1]
    with pytest.raises(UserError, match="beam"):
        asr_decode.main([*options, "--out", str(tmp_path / "greedy")])


def trained_on_few(recogniser: Recogniser, config: dict, folder: Path) -> Path:
    """A recogniser of subword units on hubert_it1.2, after one epoch."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"max_epoch": 1}))
    data = [few(recogniser, name, folder) for name in ("train", "valid")]
    asr_train.main([
        "--model", str(recogniser.folders.exp / "ci/hubert_it1.2/model"),
        "--data", str(data[0]), "--valid_data", str(data[1]),
        "--tokens", str(recogniser.root / "dump/tokens/bpe40"), "--config", str(folder / "config.yaml"),
        "--conf_dirs", str(ROOT / "conf"), "--out", str(folder / "recogniser"),
    ])  # fmt: skip
    return folder / "recogniser"


def test_an_attention_decoder_as_documented(recognised, tmp_path):
    recogniser, _ = recognised
    documented = (ROOT / "docs/recognition.md").read_text().split("An attention decoder beside CTC:")[1]
    config = yaml.safe_load("".join(re.findall(r"^    (.*\n)", documented.split("\nwith `")[0], re.MULTILINE)))
    trained = trained_on_few(recogniser, config, tmp_path)
    data = few(recogniser, "eval", tmp_path)
    options = ["--asr", str(trained), "--data", str(data), "--beam", "2"]
    heard = {}
    for weight in ("0", "0.3", "1"):
        asr_decode.main([*options, "--ctc_weight", weight, "--out", str(tmp_path / weight)])
        heard[weight] = tokens.read_text(tmp_path / weight / "text")
    assert heard["0"] != heard["1"], "by attention alone and by CTC alone"
    assert heard["0.3"].keys() == {utterance.id for utterance in datadir.read(data).utterances}


def test_fine_tuning_trains_the_network_and_keeps_it_in_the_recogniser(recognised, tmp_path):
    recogniser, _ = recognised
    config = QUICK["bpe"] | {"frontend_conf": {"fine_tune": True}}
    trained = trained_on_few(recogniser, config, tmp_path)
    own = safetensors.torch.load_file(recogniser.folders.exp / "ci/hubert_it1.2/model/model.safetensors")
    tuned = train.load(trained).frontend.encoder.state_dict()
    moved = {name for name, value in tuned.items() if not torch.equal(value, own[f"encoder.{name}"])}
    assert {name for name in tuned if name.startswith("blocks.")} & moved
    data = few(recogniser, "eval", tmp_path)
    asr_decode.main(["--asr", str(trained), "--data", str(data), "--out", str(tmp_path / "heard")])
    assert tokens.read_text(tmp_path / "heard/text").keys() == {each.id for each in datadir.read(data).utterances}


def test_a_network_that_is_not_trained_is_named(recognised):
    result = recognised[0].run("--runs", "hubert_it1", "--ssl_expdir", "nowhere")
    assert result.returncode == 1
    assert "hubert_it1" in result.stdout
    assert "nowhere" in result.stdout


def test_espnets_own_program_reads_the_front_end_of_a_plain_yaml(finished, tmp_path):
    """The YAML of docs/recognition.md, data lists as ESPnet's recipes make them, and audio, not stored layers."""
    folders = finished[0]
    documented = (ROOT / "docs/recognition.md").read_text().split("```yaml\n")[1].split("```")[0]
    config = yaml.safe_load(documented)
    config["frontend_conf"]["model"] = str(folders.exp / "ci/hubert_it1/model")
    config |= {"max_epoch": 1}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
    for name in ("train", "valid"):
        lines = [line.split(" ", 1) for line in (folders.dump / f"data/{name}/wav.scp").read_text().splitlines()]
        text = tokens.read_text(folders.dump / f"data/{name}/text")
        (tmp_path / f"{name}.scp").write_text("".join(f"{utt} {path}\n" for utt, path in lines))
        (tmp_path / f"{name}.text").write_text("".join(f"{utt} {text[utt]}\n" for utt, _ in lines))
        shapes = (f"{utt} {soundfile.info(path).frames}\n" for utt, path in lines)
        (tmp_path / f"{name}.shape").write_text("".join(shapes))
        if name == "train":
            letters = sorted({"<space>" if letter == " " else letter for line in text.values() for letter in line})
            (tmp_path / "tokens").write_text("\n".join(["<blank>", "<unk>", *letters, "<sos/eos>"]) + "\n")
    command = [sys.executable, "-m", "hubert_iter.bin.espnet", "asr_train", "--config", str(tmp_path / "train.yaml")]
    command += ["--token_type", "char", "--token_list", str(tmp_path / "tokens"), "--output_dir", str(tmp_path / "out")]
    for name in ("train", "valid"):
        command += [f"--{name}_data_path_and_name_and_type", f"{tmp_path}/{name}.scp,speech,sound"]
        command += [f"--{name}_data_path_and_name_and_type", f"{tmp_path}/{name}.text,text,text"]
        command += [f"--{name}_shape_file", f"{tmp_path}/{name}.shape"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr[-3000:]
    trained = yaml.safe_load((tmp_path / "out/config.yaml").read_text())
    assert trained["frontend"] == "hubert_iter"
    weights = torch.load(tmp_path / "out/1epoch.pth", weights_only=True)
    assert weights["frontend.layer_weights"].abs().max() > 0, "the layers' weights are learnt"
