"""An adapter's way to the Hugging Face Hub, with a token that is used once and written nowhere.

The token is handed to each request and kept in no object, file, log or message: what the Hub or the network says of a
failure is passed on with the token struck out, and without the exceptions that carried it.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from core.errors import Problem, UserError
from core.exports import Asked, ExportCancelled, write_bundle
from core.run_adapters import RunAdapter

REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
STRUCK_OUT = "[token]"


def push_adapter(
    adapter: RunAdapter, repository: str, token: str, private: bool = True, cancelled: Asked | None = None
) -> str:
    """Upload an adapter with its model card; the address of the repository, which is made where it is not there.

    Args:
        adapter: which.
        repository: `owner/name`.
        token: one that may write; used for these requests alone.
        private: whether a new repository is to be seen by its owner alone.
        cancelled: asked before anything is sent.

    Raises:
        UserError: name or token are none, or the Hub or the network refuses.
    """
    name = repository.strip()
    if not REPOSITORY.fullmatch(name):
        raise UserError(Problem("repository", f"{name!r} is no repository.", "Write owner/name."))
    if not token.strip():
        mend = "Make one that may write at huggingface.co/settings/tokens."
        raise UserError(Problem("token", "there is no token.", mend))
    with tempfile.TemporaryDirectory() as scratch:
        write_bundle(adapter, Path(scratch))
        if cancelled is not None and cancelled():
            raise ExportCancelled
        refused = _uploaded(name, token.strip(), private, Path(scratch))
    if refused:
        mend = "Check the name, the token's rights and the network."
        raise UserError(Problem(f"Hub: {name}", refused, mend))
    return f"https://huggingface.co/{name}"


def _uploaded(name: str, token: str, private: bool, folder: Path) -> str:
    """Why the Hub refused, in its words; empty where it did not. Raises nothing that could carry the token."""
    from huggingface_hub import HfApi

    try:
        api = HfApi(token=token)
        api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="Adapter trained with Signalbox")
    except Exception as error:  # the boundary: nothing of a request may leave here but words
        words = " ".join(str(error).replace(token, STRUCK_OUT).split()) or "it refused."
        return f"{type(error).__name__}: {words:.400}"
    return ""
