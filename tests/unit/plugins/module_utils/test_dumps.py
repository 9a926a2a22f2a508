"""Dumps: encrypted as openssl does it, a failing end of a pipe is seen, and retention keeps what is whole."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.ai_micro.postgres.plugins.module_utils._cipher import (
    DECRYPTION,
    CipherError,
    decrypt,
    encrypt,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._dumps import (
    DAY,
    Generation,
    check,
    file_name,
    outdated,
    read_generations,
    warnings,
)
from ansible_collections.ai_micro.postgres.plugins.module_utils._stream import StreamError, feeding, producing, pump

SECRET = "for-tests-ONLY-1"


def encrypted(text: bytes) -> bytes:
    target = io.BytesIO()
    encrypt(io.BytesIO(text), target, SECRET)
    return target.getvalue()


@pytest.mark.parametrize("text", [b"", b"x", b"0123456789abcdef", b"long" * 300000], ids=len)
def test_openssl_reads_what_was_encrypted(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(encrypted(text))
    words = [*DECRYPTION.split(), "-in", str(path), "-pass", "stdin"]
    assert subprocess.run(words, input=SECRET.encode(), capture_output=True, check=True).stdout == text
    target = io.BytesIO()
    decrypt(io.BytesIO(path.read_bytes()), target, SECRET)
    assert target.getvalue() == text


@pytest.mark.parametrize(
    ("damage", "secret"),
    [
        (lambda data: data[:-1], SECRET),
        (lambda data: data[:20], SECRET),
        (lambda data: data, "another"),
        (lambda data: b"x", SECRET),
    ],
    ids=["cut short", "nearly empty", "other passphrase", "not encrypted"],
)
def test_what_cannot_be_read_is_refused(damage: object, secret: str) -> None:
    assert callable(damage)
    with pytest.raises(CipherError):
        decrypt(io.BytesIO(damage(encrypted(b"some text, and more of it"))), io.BytesIO(), secret)


def test_failure_of_either_end_is_seen() -> None:
    pump(["echo", "x"], ["sh", "-c", "test $(cat) = x"])
    with pytest.raises(StreamError, match=r"^no such thing$"):
        pump(["sh", "-c", "echo x; echo 'pg_dump: error: no such thing' >&2; exit 1"], ["cat"])
    with pytest.raises(StreamError, match=r"^full$"):
        pump(["sh", "-c", "yes | head -c 9000000"], ["sh", "-c", "echo 'pg_restore: error: full' >&2; exit 1"])
    with pytest.raises(StreamError, match=r"^it ended without a word$"), producing(["false"]) as source:
        assert source.read() == b""
    with pytest.raises(StreamError), feeding(["false"]):
        pass


def feed_and_fail(consumer: list[str], closed: Path) -> None:
    """Write to a program that has closed its end, and then fail."""
    deadline = time.monotonic() + 60
    with feeding(consumer) as sink:
        while not closed.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        sink.write(b"x")
        raise StreamError("no such thing")


def test_why_the_source_failed_is_not_lost_behind_a_closed_pipe(tmp_path: Path) -> None:
    """What waits in the buffer cannot be written any more; that is not what went wrong."""
    closed = tmp_path / "closed"
    with pytest.raises(StreamError, match=r"^no such thing$"):
        feed_and_fail(["sh", "-c", f"exec <&-; touch {closed}; exec sleep 60"], closed)


def generation(label: str, age: int, missing: bool = False) -> Generation:
    return Generation(label, {"taken": 100 * DAY - age * DAY}, ["x"] if missing else [])


def test_retention_never_goes_below_what_is_whole() -> None:
    now = 100 * DAY
    found = [generation("a", 40), generation("b", 30), generation("c", 20), generation("d", 10)]
    assert outdated(found, now, 14, 0) == ["a", "b", "c"]
    assert outdated(found, now, 14, 3) == ["a"]
    assert outdated([*found, generation("e", 1, missing=True)], now, 14, 3) == ["a"]
    assert outdated([Generation("?", {}, ["manifest.json"])], now, 14, 0) == []


def test_generations_are_read_from_their_manifests(tmp_path: Path) -> None:
    for label, taken in (("new", 2), ("old", 1), ("cut.partial", 3)):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.dump.enc").write_text("abc")
        manifest = {"taken": taken, "files": [{"name": "a.dump.enc", "database": "a", "bytes": 3}]}
        (tmp_path / label / "manifest.json").write_text(json.dumps(manifest))
    found = read_generations(str(tmp_path))
    assert [(each.label, each.missing, each.size) for each in found] == [("old", [], 3), ("new", [], 3)]
    assert warnings(found, str(tmp_path)) == []
    (tmp_path / "new" / "a.dump.enc").write_text("ab")
    (tmp_path / "old" / "manifest.json").unlink()
    found = read_generations(str(tmp_path))
    assert {each.label: each.missing for each in found} == {"old": ["manifest.json"], "new": ["a.dump.enc"]}
    assert "lack a.dump.enc as it was written" in warnings(found, str(tmp_path))[1]


def test_file_name_holds_any_database_name() -> None:
    assert file_name("a/b") == "a%2Fb.dump.enc"


def test_file_that_changed_on_the_disk_is_found_and_forgotten_when_it_is_mended(tmp_path: Path) -> None:
    """Its size is what it was: nothing but its content tells."""
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "a.dump.enc"
    path.write_bytes(b"abc")
    entry = {"name": path.name, "database": "a", "bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    (tmp_path / "a" / "manifest.json").write_text(json.dumps({"taken": 1, "files": [entry]}))
    (found,) = read_generations(str(tmp_path))
    assert check(str(tmp_path), found) == ([], False)
    assert sorted(each.name for each in path.parent.iterdir()) == ["a.dump.enc", "manifest.json"]
    path.write_bytes(b"abd")
    assert check(str(tmp_path), found, dry=True) == (["a.dump.enc"], True)
    assert read_generations(str(tmp_path))[0].missing == []
    assert check(str(tmp_path), found) == (["a.dump.enc"], True)
    assert check(str(tmp_path), found) == (["a.dump.enc"], False)
    (bad,) = read_generations(str(tmp_path))
    assert bad.missing == ["a.dump.enc"]
    assert "lack a.dump.enc as it was written" in warnings([bad], str(tmp_path))[0]
    # It does not stand in for another one.
    assert outdated([generation("b", 40), bad._replace(manifest={"taken": 99 * DAY})], 100 * DAY, 14, 1) == []
    path.write_bytes(b"abc")
    assert check(str(tmp_path), bad) == ([], True)
    assert read_generations(str(tmp_path))[0].missing == []
    path.unlink()
    assert check(str(tmp_path), bad)[0] == ["a.dump.enc"]
