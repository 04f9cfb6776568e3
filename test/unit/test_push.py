"""An export goes to a hub when it is asked for, by the user's token: over HTTP to a hub on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import FakeHub
from tiny import ROOT
from trained_models import write_model

from hubert_iter.bin import export, plan
from hubert_iter.errors import UserError

pytest.importorskip("huggingface_hub")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("pushed") / "it1/model")


def push(model: Path, hub: FakeHub, *more: str) -> subprocess.CompletedProcess:
    """In a process of its own: huggingface_hub reads its settings when it is imported."""
    home = str(model.parent / "home")
    environment = {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": "hf_mine", "HF_HOME": home}
    command = [sys.executable, "-m", "hubert_iter.bin.export", "--model", str(model), "--formats", "huggingface"]
    return subprocess.run(
        [*command, "--out", str(model.parent / "export"), *more],
        env={name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"} | environment,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_the_folder_arrives_once_without_what_names_this_machine(model):
    with FakeHub() as hub:
        assert push(model, hub).returncode == 0 and not hub.files and not hub.repositories
        done = push(model, hub, "--push_to", "me/it1")
        assert done.returncode == 0, done.stderr
        folder = model.parent / "export/huggingface"
        sent = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "provenance.json"}
        assert hub.files == {"me/it1": sent} and {"README.md", "model.safetensors", "config.json"} <= sent.keys()
        assert hub.repositories == {"me/it1": True} and hub.tokens == {"Bearer hf_mine"}
        assert not any(str(model.parent).encode() in content for content in sent.values())
        assert push(model, hub, "--push_to", "me/it1").returncode == 0 and hub.commits == 1
        assert push(model, hub, "--push_to", "me/open", "--private", "false").returncode == 0
        assert hub.repositories["me/open"] is False


def test_a_hub_that_refuses_or_is_not_there_is_named(model):
    with FakeHub(writable=False) as hub:
        refused = push(model, hub, "--push_to", "me/it1")
    assert refused.returncode == 1 and "--push_to me/it1: " in refused.stderr and "no right to write" in refused.stderr
    gone = push(model, hub, "--push_to", "me/it1")  # its server has ended
    assert gone.returncode == 1 and "could not be uploaded" in gone.stderr and "Traceback" not in gone.stderr


def test_what_cannot_be_uploaded_is_refused_before_any_work(model, tmp_path, monkeypatch):
    import huggingface_hub

    words = ["--model", str(model), "--out", str(tmp_path / "export"), "--formats"]
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(UserError, match="no token of the Hugging Face hub.*HF_TOKEN"):
        export.main([*words, "huggingface", "--push_to", "me/it1"])
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_mine")
    with pytest.raises(UserError, match="expected OWNER/NAME"):
        export.main([*words, "huggingface", "--push_to", "it1"])
    with pytest.raises(UserError, match="add it to --formats"):
        export.main([*words, "torchaudio", "--push_to", "me/it1"])
    assert not (tmp_path / "export").exists()
    study = ["--study", str(ROOT / "conf/study/mini.yaml")]
    with pytest.raises(UserError, match="--push_to me/mini: expected RUN in it.* and .* more.*me/mini-RUN"):
        plan.main([*study, "--push_to", "me/mini"])
    plan.main([*study, "--push_to", "me/mini-RUN"])
    plan.main([*study, "--runs", "hubert_it2.1", "--push_to", "me/mini"])  # as docs/sharing.md has it
    mel = ["--study", str(ROOT / "conf/study/mini_night.yaml"), "--conf_dirs", str(ROOT / "conf")]
    with pytest.raises(UserError, match="--push_to: random.* are networks on log-mel frames"):
        plan.main([*mel, "--push_to", "me/night-RUN"])
    plan.main(mel)
