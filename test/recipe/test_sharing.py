"""What a recipe's stage 12 gives to others: a card that is true and whose code runs, and k-means that label audio."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from recipe_runs import Folders, end_of

from hubert_iter import provenance
from hubert_iter.analysis import scores
from hubert_iter.bin import label
from hubert_iter.data import audio, datadir
from hubert_iter.feats import archive
from hubert_iter.feats.layers import open_model
from hubert_iter.frames import hours
from hubert_iter.units import kmeans


def card(folders: Folders, run: str) -> str:
    return (folders.exp / f"ci/{run}/export/huggingface/README.md").read_text().replace("\\", "")


def rows_of(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    lines = text[text.index(heading) :].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("| ---"))
    table = [line for line in lines[first + 1 :]]
    end = next((number for number, line in enumerate(table) if not line.startswith("|")), len(table))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[:end]]


def test_the_card_says_what_the_network_is_and_comes_from(finished):
    folders, _ = finished
    text = card(folders, "hubert_it2.2")
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "apache-2.0" and front["language"] == ["en"] and front["library_name"] == "transformers"
    assert front["pipeline_tag"] == "feature-extraction" and {"hubert", "self-supervised"} <= set(front["tags"])
    assert "objective `hubert`, iteration 2" in text and "20 clusters of layer 1 of `hubert_it1.2`" in text

    data = datadir.read(folders.dump / "data/train")
    told = hours(sum(utterance.num_samples for utterance in data.utterances))
    assert f"Trained on {told:.2f} hours of speech, {len(data)} utterances of {len(data.speakers)} speakers" in text
    assert "espeak-ng" in text  # the recipe's own note on its data
    assert "has NOT been shown to use context" in text or "has been shown to use context" in text

    teachers = rows_of(text, "## Chain of teachers")
    assert [row[:3] for row in teachers] == [["hubert_it2.2", "hubert", "8"], ["hubert_it1.2", "hubert", "8"]]
    assert teachers[0][3] == "20 clusters of layer 1 of hubert_it1.2" and "39-d mfcc" in teachers[1][3]
    models = [folders.exp / f"ci/{row[0]}/model" for row in teachers]
    assert [row[4] for row in teachers] == [provenance.identity(model)[:12] for model in models]
    assert ["learning_rate", "0.001"] in rows_of(text, "Training:")
    assert f"- identity: {provenance.identity(models[0])}" in text

    measured = scores.read(folders.exp / "ci/hubert_it2.2/measures/cca")
    table = rows_of(text, "Best layers: phone")
    for column, prop in enumerate(("phone", "word", "speaker"), 1):
        means = {
            layer: np.mean([
                float(row["value"])
                for row in measured
                if (row["property"], row["metric"], row["layer"]) == (prop, "pwcca", layer)
            ])
            for layer in ("0", "1", "2")
        }  # fmt: skip
        for row in table[:3]:
            assert row[column].strip("*").split(" ± ")[0] == f"{means[row[0]]:.3f}" and " ± " in row[column]
        assert [row[0] for row in table if "**" in row[column]] == [max(means, key=means.get)]


@pytest.mark.parametrize(
    ("run", "words"),
    [("random", "random weights, the baseline"), ("wav2vec2", "objective `wav2vec2`"), ("online", "`online`")],
)
def test_networks_without_labels_have_cards_too(finished, run, words):
    text = card(finished[0], run)
    assert words in text and "## What the layers hold" in text and "## Units" not in text


def test_k_means_lie_beside_the_model_as_they_are(finished):
    folders, _ = finished
    exported = folders.exp / "ci/hubert_it1/export/huggingface"
    units = folders.dump / "ci/units"
    for name, label_set in {"kmeans.npz": "mfcc_k20", "kmeans_layer1_k20.npz": "hubert_it1@1_k20"}.items():
        assert (exported / name).read_bytes() == (units / label_set / "kmeans" / kmeans.FILE_NAME).read_bytes()
    roles = {each["file"]: each["role"] for each in json.loads((exported / "kmeans.json").read_text())["kmeans"]}
    assert roles == {"kmeans.npz": "trained on", "kmeans_layer1_k20.npz": "own layer"}
    assert not [path for path in exported.iterdir() if path.suffix in (".pkl", ".pickle", ".km", ".bin", ".pt")]


def test_the_card_s_code_runs_and_gives_the_labels_of_the_next_iteration(finished, tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folders, _ = finished
    for path in (folders.exp / "ci/hubert_it1/export/huggingface").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    utterance = datadir.read(folders.dump / "data/eval").utterances[0]
    soundfile.write(tmp_path / "speech.wav", audio.read_audio(utterance), 16000, subtype="FLOAT")
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    assert len(code) == 2
    found: dict = {}
    exec("\n".join(code), found)
    expected = open_model(folders.exp / "ci/hubert_it1/model").taps(audio.read_audio(utterance))
    for number, layer in enumerate(found["layers"]):
        np.testing.assert_allclose(layer[0].detach().numpy(), expected[str(number)], atol=1e-4)
    labels = archive.read_scp(folders.dump / "ci/units/hubert_it1@1_k20/eval/labels.scp")[utterance.id]
    assert np.mean(found["units"].numpy() != labels) < 0.01


def test_the_hub_s_own_reader_takes_the_card(finished):
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard(card(finished[0], "hubert_it1")).data
    assert data.license == "apache-2.0" and data.pipeline_tag == "feature-extraction" and data.language == ["en"]


def test_a_last_iteration_gets_units_of_its_own_on_request(copy, tmp_path):
    pytest.importorskip("transformers")
    only = ("--stage", "12", "--stop_stage", "12", "--runs", "chubert_it1", "--export_formats", "huggingface")
    result = copy.run(*only, "--own_units", "2 10", "--license", "cc-by-4.0", "--datasets", "somebody/speech")
    assert result.returncode == 0, end_of(result.stdout)
    exported = copy.exp / "ci/chubert_it1/export/huggingface"
    front = yaml.safe_load((exported / "README.md").read_text().split("---")[1])
    assert (front["license"], front["datasets"]) == ("cc-by-4.0", ["somebody/speech"])
    label.main([
        "--model", str(exported), "--audio", str(copy.dump / "data/eval"), "--out", str(tmp_path / "units")
    ])  # fmt: skip
    lines = (tmp_path / "units/units.txt").read_text().splitlines()
    assert len(lines) == len(datadir.read(copy.dump / "data/eval"))
    assert {unit for line in lines for unit in line.split()[1:]} <= set(map(str, range(10)))
    wrong = copy.run(*only, "--own_units", "2")
    assert wrong.returncode == 1 and "--own_units: expected a layer and a number of clusters" in wrong.stdout
