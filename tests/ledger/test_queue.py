"""Files of many authorities in a queue: each ends in one place, and each ledger has each file once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

import pytest

from kokin._arrow import files
from kokin.cli._app import run as run_command
from kokin.issues import InvalidInputError
from kokin.ledger import AuthorityFileState, EntryKind, Ledger, WorkQueue
from kokin.ledger import _queue_post as queue_post
from kokin.ledger._queue_files import AuthorityFiles, Lease, QueuedFile
from kokin.receipts import layouts

HEADER = "payee_code,item_code,case_key,confirmation,amount,paid_on\n"
SETTINGS = """\
ledger = "{authority}.db"
layouts = { "*.csv" = "kokin-csv" }
retry_s = 0
lease_s = 2
"""
PLACES = ("incoming", "claimed", "retry", "done", "rejected", "failed")


def receipts(*payments):
    return HEADER + "".join(f"99999,127,{case},000001,{yen},2026-06-01\n" for case, yen in payments)


def put(queue, code, name, content):
    folder = queue / code / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}"
    draft.write_text(content, encoding="utf-8")
    draft.rename(folder / name)


def make_queue(folder, *codes, settings=SETTINGS, ledgers=True):
    queue = folder / "queue"
    queue.mkdir(exist_ok=True)
    (queue / "queue.toml").write_text(settings + "".join(f"[authorities.{code}]\n" for code in codes))
    for code in codes if ledgers else ():
        Ledger.create(queue / f"{code}.db").close()
    return queue


def places(queue):
    """The files of a queue: the place of each, by authority and name."""
    found = {}
    for path in queue.glob("*/*/**/*"):
        code, place = path.relative_to(queue).parts[:2]
        if path.is_file() and path.suffix != ".json":
            found[code, path.name] = place
    return found


def posted_digests(queue, code):
    with Ledger.open(queue / f"{code}.db") as ledger:
        assert ledger.verify().is_clean
        return [entry.digest for entry in ledger.entries() if entry.kind is EntryKind.RECEIPT_FILE]


@pytest.fixture
def in_threads(monkeypatch):
    """Post in threads of this process, which start faster; the tests with kills use processes."""
    monkeypatch.setattr(queue_post, "new_executor", lambda: ThreadPoolExecutor(1))
    monkeypatch.setattr("kokin.ledger._queue._POLL_S", 0.01)


def run(queue, **options):
    results = list(WorkQueue(queue).work(**{"until": "empty", **options}))
    return {(result.authority, result.file): result for result in results}


def test_the_files_of_all_authorities_are_posted(quick_folder, in_threads):
    queue = make_queue(quick_folder, "99901", "99902")
    put(queue, "99901", "a.csv", receipts((1, 100)))
    put(queue, "99901", "b.csv", receipts((2, 200), (3, 300)))
    put(queue, "99902", "a.csv", receipts((1, 100)))
    results = run(queue, workers=2)
    assert {key: result.state for key, result in results.items()} == dict.fromkeys(
        [("99901", "a.csv"), ("99901", "b.csv"), ("99902", "a.csv")], AuthorityFileState.POSTED
    )
    assert results["99901", "b.csv"].as_line() == {
        "authority": "99901",
        "file": "b.csv",
        "state": "posted",
        "attempt": 1,
        "entry": results["99901", "b.csv"].entry,
        "read": 2,
        "accepted": 2,
        "accepted_yen": 500,
        "exceptions": 2,
        "issues": {},
        "error": "",
    }
    assert set(places(queue).values()) == {"done"}
    record = json.loads((queue / "99901" / "done" / "b.csv.json").read_text(encoding="utf-8"))
    assert record["outcomes"] == {"NO_BILL": {"count": 2, "amount": 500}}
    assert [len(posted_digests(queue, code)) for code in ("99901", "99902")] == [2, 1]
    assert run(queue) == {}


def test_no_failure_stops_another_file_or_authority(quick_folder, in_threads):
    queue = make_queue(quick_folder, "99901", "99902", settings=SETTINGS + "max_attempts = 3\n")
    (queue / "99902.db").write_bytes(b"no database" * 1000)
    put(queue, "99902", "a.csv", receipts((1, 100)))
    put(queue, "99901", "0-wrong.csv", "another file\n")
    put(queue, "99901", "1-right.csv", receipts((1, 100)))
    put(queue, "99901", "2-same.csv", receipts((1, 100)))
    put(queue, "99901", "3-other.dat", "not a file of this queue")
    results = list(WorkQueue(queue).work(until="empty"))
    states = Counter((result.authority, result.file, result.state) for result in results)
    assert states == {
        ("99901", "0-wrong.csv", AuthorityFileState.REJECTED): 1,
        ("99901", "1-right.csv", AuthorityFileState.POSTED): 1,
        ("99901", "2-same.csv", AuthorityFileState.ALREADY_POSTED): 1,
        ("99901", "3-other.dat", AuthorityFileState.NO_LAYOUT): 1,
        ("99902", "a.csv", AuthorityFileState.RETRY): 2,
        ("99902", "a.csv", AuthorityFileState.FAILED): 1,
    }
    assert places(queue) == {
        ("99901", "0-wrong.csv"): "rejected",
        ("99901", "1-right.csv"): "done",
        ("99901", "2-same.csv"): "done",
        ("99901", "3-other.dat"): "incoming",
        ("99902", "a.csv"): "failed",
    }
    rejected = json.loads((queue / "99901" / "rejected" / "0-wrong.csv.json").read_text(encoding="utf-8"))
    assert rejected["issues"]
    assert {"code", "field", "record", "byte", "en", "ja"} <= rejected["issues"][0].keys()
    with Ledger.open(queue / "99901.db") as ledger:
        assert [entry.kind for entry in ledger.entries()][1:] == [EntryKind.REJECTED_FILE, EntryKind.RECEIPT_FILE]


def test_a_file_waits_for_its_next_attempt(quick_folder, in_threads):
    queue = make_queue(quick_folder, "99901", settings=SETTINGS.replace("retry_s = 0", "retry_s = 100"), ledgers=False)
    for name in ("a.csv", "b.csv"):
        put(queue, "99901", name, receipts((1, 100)))
    before = time.time()
    first = run(queue)
    assert [(result.file, result.state, result.attempt) for result in first.values()] == [
        ("a.csv", AuthorityFileState.RETRY, 1),
        ("b.csv", AuthorityFileState.RETRY, 0),  # the ledger could not be reached: its other files are not tried
    ]
    record = json.loads((queue / "99901" / "retry" / "a.csv.json").read_text(encoding="utf-8"))
    assert record["attempt"] == 1
    assert before + 99 < record["due"] < time.time() + 101
    Ledger.create(queue / "99901.db").close()
    assert [(result.file, result.state) for result in run(queue, until="scanned").values()] == [
        ("b.csv", AuthorityFileState.POSTED),
        ("a.csv", AuthorityFileState.RETRY),
    ]
    (queue / "99901" / "retry" / "a.csv.json").write_text(json.dumps({**record, "due": 0}), encoding="utf-8")
    result = run(queue)["99901", "a.csv"]
    assert (result.state, result.attempt) == (AuthorityFileState.ALREADY_POSTED, 2)
    assert places(queue) == {("99901", "a.csv"): "done", ("99901", "b.csv"): "done"}
    assert not (queue / "99901" / "retry" / "a.csv.json").exists()


def test_the_delay_doubles_up_to_its_maximum(quick_folder):
    queue = make_queue(quick_folder, "99901", settings='ledger = "x.db"\nlayouts = { "*" = "kokin-csv" }\n')
    from kokin.ledger._queue import _Work

    work = _Work(WorkQueue(queue), Lease(queue / "workers", 300), [], "empty", Event())
    delays = [work._delay(attempt) for attempt in range(1, 12)]
    assert delays == [60, 120, 240, 480, 960, 1920, *[3600] * 5]


def test_an_inconsistent_ledger_stops_its_authority_only(quick_folder, in_threads, monkeypatch):
    queue = make_queue(quick_folder, "99901", "99902")
    for code in ("99901", "99902"):
        for name in ("a.csv", "b.csv"):
            put(queue, code, name, receipts((len(name), 100), (ord(name[0]), 5)))
    post = queue_post._post

    def post_or_find_a_broken_control(receipts, ledger, *options):
        result = post(receipts, ledger, *options)
        return queue_post.PostingResult(result.file, inconsistency="T4: 1 and 2") if "99901" in ledger else result

    monkeypatch.setattr(queue_post, "_post", post_or_find_a_broken_control)
    results = list(WorkQueue(queue).work(until="empty"))
    assert [(each.file, each.state) for each in results if each.authority == "99901"] == [
        ("a.csv", AuthorityFileState.POSTED),
        ("", AuthorityFileState.STOPPED),
    ]
    assert [each.state for each in results if each.authority == "99902"] == [AuthorityFileState.POSTED] * 2
    assert places(queue)["99901", "b.csv"] == "incoming"
    monkeypatch.undo()
    monkeypatch.setattr(queue_post, "new_executor", lambda: ThreadPoolExecutor(1))
    (stopped,) = run(queue).values()
    assert (stopped.state, stopped.error) == (AuthorityFileState.STOPPED, "T4: 1 and 2")
    (queue / "99901" / "stopped.json").unlink()
    assert run(queue)["99901", "b.csv"].state is AuthorityFileState.POSTED


def test_a_changed_ledger_keeps_the_file(quick_folder, in_threads, monkeypatch):
    queue = make_queue(quick_folder, "99901")
    put(queue, "99901", "a.csv", receipts((1, 100)))

    def fail(*_):
        from kokin.issues import Issue
        from kokin.ledger import LedgerError

        raise LedgerError("the ledger was changed", [Issue("ENTRY_UNKNOWN", found="2")])

    monkeypatch.setattr(queue_post, "_post", fail)
    results = list(WorkQueue(queue).work(until="empty"))
    assert [each.state for each in results] == [AuthorityFileState.RETRY, AuthorityFileState.STOPPED]
    record = json.loads((queue / "99901" / "retry" / "a.csv.json").read_text(encoding="utf-8"))
    assert (record["attempt"], record["error"]) == (0, "the ledger was changed")


def test_a_file_that_is_not_complete_is_not_taken(quick_folder, in_threads):
    queue = make_queue(quick_folder, "99901", settings=SETTINGS.replace("*.csv", "*"))
    names = (".a.csv", "a.csv.tmp", "a.csv.part", "a.csv.filepart", "A.TMP", "a.csv.json")
    for name in names:
        put(queue, "99901", name, receipts((1, 100)))
    assert run(queue) == {}
    assert sorted(path.name for path in (queue / "99901" / "incoming").iterdir()) == sorted(names)


def test_a_second_file_of_a_name_gets_a_number(quick_folder, in_threads):
    queue = make_queue(quick_folder, "99901")
    contents = [receipts((1, 100)), receipts((2, 200)), receipts((1, 100))]
    for content in contents:
        put(queue, "99901", "day.csv", content)
        run(queue)
    done = queue / "99901" / "done"
    assert [(done / name).read_text() for name in ("day.csv", "day~2.csv", "day~3.csv")] == contents
    assert json.loads((done / "day~2.csv.json").read_text(encoding="utf-8"))["name"] == "day.csv"
    with Ledger.open(queue / "99901.db") as ledger:
        assert [entry.source for entry in ledger.entries()][1:] == ["day.csv", "day.csv"]


@pytest.mark.parametrize("name", ["収納" * 40 + ".csv", os.fsdecode(b"\x92\xb2.csv"), "~ 2.csv"])
def test_any_name_is_possible(quick_folder, in_threads, name):
    queue = make_queue(quick_folder, "99901")
    try:
        put(queue, "99901", name, receipts((1, 100)))
        put(queue, "99901", "x.csv", receipts((2, 100)))
    except OSError:
        pytest.skip("the file system does not accept this name")
    assert {result.state for result in run(queue).values()} == {AuthorityFileState.POSTED}
    records = [json.loads(path.read_text(encoding="utf-8")) for path in (queue / "99901" / "done").glob("*.json")]
    assert {record["name"] for record in records} == {name, "x.csv"}


def test_the_settings_of_an_authority_come_before_those_of_the_queue(quick_folder):
    own = '{ ledger = "postgresql://kokin@db/{authority}", actor = "b", layouts = { "*.csv" = "dsk-csv" } }'
    settings = SETTINGS + f'actor = "q"\n[authorities]\n99901 = {own}\n99902 = {{}}\n'
    queue = WorkQueue(make_queue(quick_folder, settings=settings))
    jobs = {code: queue.job(code, QueuedFile(Path("x.csv"), "x.csv", 1)) for code in ("99901", "99902")}
    assert [(job.ledger, job.layout, job.actor) for job in jobs.values()] == [
        ("postgresql://kokin@db/99901", "dsk-csv", "b"),
        (str(queue.folder / "99902.db"), "kokin-csv", "q"),
    ]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ("[authorities]\nworkers = {}\n", "authorities.workers.[key]"),
        ("[authorities.99901]\nledgre = ''\n", "authorities.99901.ledgre"),
        ("layouts = { '*' = 'kokin-csv' }\n[authorities.99901]\n", "authorities.99901.ledger"),
        ("ledger = 'x.db'\n[authorities.99901]\n", "authorities.99901.layouts"),
        (SETTINGS.replace("lease_s = 2", "lease_s = 0") + "[authorities.99901]\n", "lease_s"),
        ("", "authorities"),
    ],
)
def test_invalid_settings_are_rejected(tmp_path, settings, field):
    with pytest.raises(InvalidInputError) as caught:
        WorkQueue(make_queue(tmp_path, settings=settings))
    assert [(issue.field, issue.location.file) for issue in caught.value.issues] == [(field, "queue.toml")]


def test_an_unknown_layout_is_rejected(tmp_path):
    with pytest.raises(layouts.LayoutError):
        WorkQueue(make_queue(tmp_path, "99901", settings=SETTINGS.replace("kokin-csv", "kokin-csw"), ledgers=False))


# --- claims -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_workers(tmp_path):
    """Two workers on the folder of one authority, with a file; the lease of both has ten seconds."""
    leases = [Lease(tmp_path / "workers", 10) for _ in range(2)]
    put(tmp_path, "99901", "a.csv", receipts((1, 100)))
    return [(AuthorityFiles(tmp_path / "99901", lease), lease) for lease in leases]


def test_a_file_is_claimed_once(two_workers):
    (one, lease), (other, other_lease) = two_workers
    (file,) = one.waiting(lease.renew(), ())
    claim = one.claim(file)
    assert claim.path.is_file()
    assert other.claim(file) is None
    assert other.waiting(other_lease.renew(), ()) is None  # the authority has a file in work
    assert one.waiting(lease.renew(), {claim.path}) == []


def test_the_claim_of_a_worker_without_a_sign_of_life_is_taken_over(two_workers, tmp_path):
    (one, lease), (other, other_lease) = two_workers
    claim = one.claim(*one.waiting(lease.renew(), ()))
    past = time.time() - 11
    os.utime(tmp_path / "workers" / lease.worker, (past, past))
    (file,) = other.waiting(other_lease.renew(), ())
    assert (file.path, file.attempt) == (claim.path, 2)
    taken = other.claim(file)
    assert taken.path.is_file()
    assert one.move(claim, "done", {}) is False  # the first worker was alive, only late
    assert other.move(taken, "done", {}) is True
    assert [path.name for path in (tmp_path / "99901" / "done").iterdir()] == ["a.csv", "a.csv.json"]
    assert list((tmp_path / "99901" / "claimed").iterdir()) == []


def test_of_two_claims_for_one_authority_one_is_returned(two_workers, tmp_path):
    (one, lease), (other, _) = two_workers
    put(tmp_path, "99901", "b.csv", receipts((1, 100)))
    first, second = one.waiting(lease.renew(), ())
    assert one.claim(first)
    assert other.claim(second) is None
    (returned,) = (path for path in (tmp_path / "99901" / "retry").iterdir() if path.suffix == ".csv")
    assert returned.name == "b.csv"
    assert [file.attempt for file in one.waiting(lease.renew(), one_in_work(tmp_path))] == [1]


def one_in_work(folder):
    return set((folder / "99901" / "claimed").glob("*/*"))


def test_a_clock_that_differs_does_not_matter(two_workers, monkeypatch):
    """Only times that the file server wrote are compared."""
    (one, lease), (other, other_lease) = two_workers
    one.claim(*one.waiting(lease.renew(), ()))
    monkeypatch.setattr(time, "time", lambda: 0)
    assert other.waiting(other_lease.renew(), ()) is None


def test_a_file_that_is_open_is_renamed_later(two_workers, monkeypatch):
    """As on Windows, where a virus scanner has a file open for a moment."""
    (one, lease), _ = two_workers
    claim = one.claim(*one.waiting(lease.renew(), ()))
    rename, failures = Path.rename, iter([True, True, False])

    def fail_at_first(path, target):
        if next(failures):
            raise PermissionError
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_at_first)
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    assert one.move(claim, "done", {})


def test_a_file_that_cannot_be_moved_stays_claimed(quick_folder, in_threads, monkeypatch):
    queue = make_queue(quick_folder, "99901")
    put(queue, "99901", "a.csv", receipts((1, 100)))
    rename = Path.rename

    def fail_to_finish(path, target):
        if target.parent.name == "done":
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail_to_finish)
        patch.setattr(files, "_RENAME_ATTEMPTS", 1)
        result = next(WorkQueue(queue).work(until="empty"))
    assert (result.state, result.error) == (AuthorityFileState.RETRY, "Permission denied")
    assert places(queue) == {("99901", "a.csv"): "claimed"}
    result = run(queue)["99901", "a.csv"]
    assert (result.state, result.attempt) == (AuthorityFileState.ALREADY_POSTED, 2)
    assert places(queue) == {("99901", "a.csv"): "done"}


def test_an_authority_whose_folder_cannot_be_read_stops_no_other(quick_folder, in_threads, monkeypatch):
    queue = make_queue(quick_folder, "99901", "99902")
    for code in ("99901", "99902"):
        put(queue, code, "a.csv", receipts((1, 100)))
    waiting = AuthorityFiles.waiting

    def fail_for_one(files, *arguments):
        if files._folder.name == "99901":
            raise PermissionError(13, "Permission denied")
        return waiting(files, *arguments)

    monkeypatch.setattr(AuthorityFiles, "waiting", fail_for_one)
    results = [(each.authority, each.file, each.state, each.error) for each in WorkQueue(queue).work(until="empty")]
    assert results == [
        ("99901", "", AuthorityFileState.RETRY, "Permission denied"),
        ("99902", "a.csv", AuthorityFileState.POSTED, ""),
    ]


def test_what_others_have_left_in_the_folders_is_harmless(quick_folder, in_threads):
    queue = make_queue(quick_folder, "99901")
    for name in ("claimed/of-a-person/x.csv", "claimed/.nfs01/x.csv", "done/a.csv", "retry/a.csv.json", "notes/x.txt"):
        path = queue / "99901" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"attempt": "x", "due": null, "name": 1}')
    put(queue, "99901", "a.csv", receipts((1, 100)))
    (queue / "99901" / "retry" / "b.csv").write_text(receipts((2, 100)))  # put back by a person
    assert {name: each.state for (_, name), each in run(queue).items()} == {
        "a.csv": AuthorityFileState.POSTED,
        "b.csv": AuthorityFileState.POSTED,
    }
    assert (queue / "99901" / "done" / "a~2.csv").exists()


def test_a_file_that_kills_every_worker_fails_at_last(quick_folder, in_threads):
    queue = make_queue(quick_folder, "99901", settings=SETTINGS + "max_attempts = 2\n")
    folder = queue / "99901" / "claimed" / "host-1-00000000.1.2"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text(receipts((1, 100)))
    result = run(queue)["99901", "a.csv"]
    assert (result.state, result.error) == (AuthorityFileState.FAILED, "the worker ended during every attempt")
    assert places(queue) == {("99901", "a.csv"): "failed"}


def test_two_workers_at_once(quick_folder, in_threads):
    codes = [f"9990{n}" for n in range(4)]
    # With a lease that does not end on a busy machine, no worker takes over the claim of a living one.
    queue = make_queue(quick_folder, *codes, settings=SETTINGS.replace("lease_s = 2", "lease_s = 60"))
    for code in codes:
        for n in range(5):
            put(queue, code, f"{n}.csv", receipts((n, 100)))
    results = []
    works = [Thread(target=lambda: results.extend(WorkQueue(queue).work(workers=2, until="empty"))) for _ in range(2)]
    for work in works:
        work.start()
    for work in works:
        work.join()
    assert {(result.authority, result.file) for result in results} == {(c, f"{n}.csv") for c in codes for n in range(5)}
    assert {result.state for result in results} == {AuthorityFileState.POSTED}
    assert len(results) == 20
    assert all(len(posted_digests(queue, code)) == 5 for code in codes)


class Killed(BaseException):
    """The end of a worker, which no handler of errors catches."""


def test_a_worker_can_end_before_every_step(quick_folder, in_threads, monkeypatch):
    """Before each change of the folders; the next run continues."""
    queue = make_queue(quick_folder, "99901", ledgers=False)
    monkeypatch.setattr(
        queue_post,
        "_post",
        lambda receipts, ledger, pending, *options: queue_post.PostingResult(
            replace(pending, state=AuthorityFileState.POSTED)
        ),
    )
    for last in range(200):
        put(queue, "99901", f"{last}.csv", str(last))
        steps = 0
        with monkeypatch.context() as patch:

            def stop_at(function, last=last):
                def call(*arguments, **options):
                    nonlocal steps
                    steps += 1
                    if steps > last:
                        raise Killed
                    return function(*arguments, **options)

                return call

            for name in ("rename", "mkdir", "rmdir", "unlink", "write_text"):
                patch.setattr(Path, name, stop_at(getattr(Path, name)))
            patch.setattr(json, "dump", stop_at(json.dump))
            try:
                run(queue)
                break
            except Killed:
                pass
        for path in queue.glob("workers/*"):  # the lease has expired
            path.unlink()
    assert 10 < last < 100
    run(queue)
    done = [path for path in (queue / "99901").rglob("*") if path.is_file() and path.suffix != ".json"]
    assert {path.parent.name for path in done} == {"done"}
    assert sorted(int(path.read_text()) for path in done) == list(range(last + 1))


# --- processes --------------------------------------------------------------------------------------------------------

COMMAND = (sys.executable, "-c", "from kokin.cli import main; main()", "ledger", "work")


def start_command(queue, *options):
    environment = {**os.environ, "KOKIN_LANG": "en", "PYTHONPATH": os.pathsep.join(sys.path)}
    call = [*COMMAND, str(queue), "--format", "json", *options]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def children(pid):
    """The processes of a process, without those that multiprocessing starts for itself."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    pids = [int(each) for each in found.read_text().split()] if found.exists() else []
    return [each for each in pids if "spawn_main" in Path(f"/proc/{each}/cmdline").read_text()]


def assert_every_file_is_posted_once(queue, expected):
    """``expected`` has the contents of each authority."""
    found = Counter()
    for path in queue.glob("*/*/**/*.csv"):
        code, place = path.relative_to(queue).parts[:2]
        assert place == "done"
        found[code, sha256(path.read_bytes()).hexdigest()] += 1
    digests = {code: [sha256(each.encode()).hexdigest() for each in contents] for code, contents in expected.items()}
    assert found == Counter((code, digest) for code, each in digests.items() for digest in each)
    for code, each in digests.items():
        assert sorted(posted_digests(queue, code)) == sorted(set(each))


def kill_at_random(folder, rng, kills, files):
    """Kill the command, or one of its processes, while it has a file in work; return how many were interrupted."""
    codes = ("99901", "99902", "99903")
    settings = SETTINGS.replace("lease_s = 2", "lease_s = 1") + "max_attempts = 1000\n"
    queue = make_queue(folder, *codes, settings=settings)
    expected = {code: [receipts((n, 100), (n, 5)) for n in range(files)] for code in codes}
    for code, contents in expected.items():
        contents.append(contents[0])  # a duplicate
        for n, content in enumerate(contents):
            put(queue, code, f"{n}.csv", content)
    for kill in range(kills):
        command = start_command(queue, "--until-empty", "--workers", "2")
        while command.poll() is None and not list(queue.glob("*/claimed/*/*")):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 1))
        pids = [command.pid] if kill % 2 else children(command.pid)
        if pids:
            os.kill(rng.choice(pids), signal.SIGKILL)
        time.sleep(0.1)
        command.kill()
        command.communicate()
    command = start_command(queue, "--until-empty")
    _, errors = command.communicate()
    assert (command.returncode, errors) == (1, "")
    assert_every_file_is_posted_once(queue, expected)
    records = [json.loads(path.read_text(encoding="utf-8")) for path in queue.glob("*/done/*.json")]
    return sum(record["attempt"] > 1 for record in records)


pytestmark_processes = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")


@pytest.mark.thorough
@pytestmark_processes
def test_a_killed_worker_loses_and_doubles_nothing(quick_folder):
    assert kill_at_random(quick_folder, random.Random(7), kills=12, files=12)


@pytest.mark.slow
@pytestmark_processes
def test_a_hundred_killed_workers_lose_and_double_nothing(quick_folder):
    assert kill_at_random(quick_folder, random.Random(11), kills=100, files=60)


@pytest.mark.thorough
@pytestmark_processes
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_after_the_file_in_work(quick_folder, number):
    queue = make_queue(quick_folder, "99901")
    put(queue, "99901", "a.csv", receipts((1, 100)))
    command = start_command(queue)
    line = command.stdout.readline()
    command.send_signal(number)
    output, errors = command.communicate(timeout=60)
    assert (json.loads(line)["state"], output, errors, command.returncode) == ("posted", "", "", 1)
    assert list((queue / "workers").iterdir()) == []


@pytest.mark.parametrize(
    ("names", "lines", "code"),
    [
        ({"a.csv": receipts((1, 100))}, ["99901 a.csv posted entry=2 read=1 accepted_yen=100 exceptions=1"], 1),
        ({"a.csv": "x\n"}, ["99901 a.csv rejected FIELD_MISSING=2 FIELD_UNKNOWN=1"], 3),
        ({"a.csv": receipts((1, 100)), "b.dat": ""}, ["99901 b.dat no layout", "99901 a.csv posted"], 3),
        ({}, [], 0),
    ],
)
@pytest.mark.parametrize("until", ["--until-empty", "--once"])
def test_the_command(quick_folder, in_threads, monkeypatch, capsys, names, lines, code, until):
    queue = make_queue(quick_folder, "99901")
    for name, content in names.items():
        put(queue, "99901", name, content)
    monkeypatch.setenv("KOKIN_LANG", "en")
    assert run_command(["ledger", "work", str(queue), until]) == code
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(lines)
    assert all(line.startswith(start) for line, start in zip(printed, lines, strict=True)), printed


def test_the_command_reports_a_ledger_that_does_not_exist(quick_folder, in_threads, monkeypatch, capsys):
    queue = make_queue(quick_folder, "99901", settings=SETTINGS + "max_attempts = 1\n", ledgers=False)
    put(queue, "99901", "a.csv", receipts((1, 100)))
    monkeypatch.setenv("KOKIN_LANG", "en")
    assert run_command(["ledger", "work", str(queue), "--until-empty", "--format", "json"]) == 4
    line = json.loads(capsys.readouterr().out)
    assert line["state"] == "failed"
    assert "no ledger" in line["error"]
    assert run_command(["ledger", "work", str(queue), "--until-empty", "--once"]) == 2
    assert run_command(["ledger", "work", str(quick_folder), "--once"]) == 4


@pytest.mark.thorough
def test_the_example_posts_the_files_of_each_authority():
    example = Path(__file__).parents[2] / "examples" / "nation" / "one_ledger_per_authority.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, example], capture_output=True, text=True, env=environment, check=True)
    assert len(ended.stdout.splitlines()) == 9
