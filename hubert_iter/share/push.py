"""An exported folder to the Hugging Face hub, by the user's own token. Nothing is uploaded unless it is asked for."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.errors import UserError, summarise

INSTALL = "huggingface_hub is not installed. Install it: pip install huggingface_hub (it comes with transformers)"
PLACE = "RUN"
STAYS = [provenance.FILE_NAME]
"""Files that stay here: provenance names folders of this machine. The card has the identities."""
log = logging.getLogger(__name__)


def check(repository: str, runs: Sequence[str] = ()) -> None:
    """Refuse, before any work, what cannot be uploaded to: UserError.

    Several runs want a repository each: RUN in its name stands for theirs.
    """
    if len(runs) > 1 and PLACE not in repository:
        raise UserError(
            f"--push_to {repository}: expected {PLACE} in it, where the run's name goes ({summarise(runs, 3)}), or one "
            f"run by --runs: {repository}-{PLACE}"
        )
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise UserError(f"--push_to: expected OWNER/NAME, a repository on the hub, found '{repository}'")
    try:
        from huggingface_hub import get_token
    except ImportError:
        raise UserError(INSTALL) from None
    if not get_token():
        raise UserError(
            f"--push_to {repository}: no token of the Hugging Face hub. Log in by `hf auth login`, or set HF_TOKEN to "
            "a token that may write (huggingface.co/settings/tokens)"
        )


def upload(folder: Path, repository: str, private: bool) -> None:
    """Make the repository unless it is there, and upload the folder as one commit; nothing changed makes none."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    # The base of all errors of the HTTP library that this version uses: requests, httpx or httpx2.
    no_answer = next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")
    logging.getLogger(no_answer.__module__.partition(".")[0]).setLevel(logging.WARNING)  # a line for each request
    record = provenance.read(folder)
    api = HfApi()  # HF_ENDPOINT names another hub
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository, folder_path=folder, ignore_patterns=STAYS,
            commit_message=f"hubert_iter {record['version']}, model {record['inputs']['model']['id'][:12]}",
        )  # fmt: skip
    except (no_answer, OSError, ValueError) as error:
        raise UserError(
            f"--push_to {repository}: {folder} could not be uploaded: {' '.join(str(error).split())[:300]}. The folder "
            "is complete: the same command tries again"
        ) from None
    log.info("push: %s is at %s", folder, done.commit_url or f"{api.endpoint}/{repository}")
