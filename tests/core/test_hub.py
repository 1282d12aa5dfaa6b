"""A push to a pretended Hub: what arrives, what is said when it refuses, and that the token stays nowhere."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from toys import make_model, make_run, tagged_rows, write_rows

from core.errors import UserError
from core.hub import push_adapter
from core.jobs import Jobs
from core.run_adapters import find_adapter

TOKEN = "hf_SecretOfTheTest0123456789"


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as an upload of small files asks."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.heard.append((self.path, self.headers.get("Authorization"), body))
        if self.server.refuse:
            return self._say(self.server.refuse, {"error": f"Bad token {TOKEN} for {self.path}"})
        if self.path.endswith("/repos/create"):
            return self._say(200, {"url": "https://huggingface.co/me/mine", "name": "me/mine"})
        if "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            return self._say(200, {"files": files})
        if "/commit/" in self.path:
            return self._say(
                200, {"commitUrl": "https://huggingface.co/me/mine/commit/1", "commitOid": "1", "success": True}
            )
        return self._say(200, {"errors": [], "warnings": []})

    def do_GET(self):
        self.server.heard.append((self.path, self.headers.get("Authorization"), b""))
        self._say(200, {"sha": "1", "id": "me/mine", "siblings": []})

    def _say(self, status, answer):
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A server in the place of the Hub, and a home of its own for what the client keeps."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.heard, server.refuse = [], 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", address)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def adapter(tmp_path):
    model = make_model(tmp_path / "model")
    return find_adapter(
        make_run(tmp_path / "runs" / "toy", model, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))
    )


def files_with_the_token(*folders):
    found = []
    for folder in folders:
        for file in Path(folder).rglob("*"):
            if file.is_file() and TOKEN.encode() in file.read_bytes():
                found.append(file)
    return found


def test_the_adapter_and_its_card_arrive_with_the_token_and_it_is_kept_nowhere(hub, adapter, tmp_path, capfd):
    assert push_adapter(adapter, "me/mine", TOKEN) == "https://huggingface.co/me/mine"
    assert {said for _, said, _ in hub.heard if said} == {f"Bearer {TOKEN}"}
    create = next(json.loads(body) for path, _, body in hub.heard if path.endswith("/repos/create"))
    assert create["visibility"] == "private"
    commit = next(body for path, _, body in hub.heard if "/commit/" in path)
    sent = [json.loads(line)["value"].get("path") for line in commit.splitlines()]
    assert {"README.md", "adapter_config.json", "adapter_model.safetensors", "curves.png"} <= set(sent)
    assert files_with_the_token(tmp_path, Path.home() / ".cache" / "huggingface") == []
    assert TOKEN not in "".join(capfd.readouterr())


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_refusal_is_told_without_the_token_even_where_the_hub_repeats_it(hub, adapter, tmp_path, capfd, status):
    hub.refuse = status
    with pytest.raises(UserError) as refused:
        push_adapter(adapter, "me/mine", TOKEN)
    error = refused.value
    assert "Hub: me/mine" in str(error)
    while error is not None:
        assert TOKEN not in f"{error} {error.args}"
        error = error.__cause__ or error.__context__
    assert files_with_the_token(tmp_path) == []
    assert TOKEN not in "".join(capfd.readouterr())


def test_a_job_that_pushed_in_vain_holds_the_token_in_none_of_its_fields(hub, adapter, capfd):
    hub.refuse = 401
    jobs = Jobs()
    job = jobs.start("push", lambda job: push_adapter(adapter, "me/mine", TOKEN))
    assert job.wait(60)
    assert job.state == "failed"
    assert TOKEN not in repr(job)
    assert TOKEN not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("repository", "token", "said"),
    [
        pytest.param("mine", TOKEN, "is no repository", id="no owner"),
        pytest.param("me/../mine", TOKEN, "is no repository", id="a path"),
        pytest.param("me/mine", "  ", "there is no token", id="no token"),
    ],
)
def test_what_cannot_be_sent_is_not(hub, adapter, repository, token, said):
    with pytest.raises(UserError, match=said):
        push_adapter(adapter, repository, token)
    assert hub.heard == []
