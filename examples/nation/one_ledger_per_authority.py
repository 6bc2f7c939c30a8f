"""Three invented authorities with a ledger each; a queue posts their receipt files."""

import re
import shutil
import tempfile
from pathlib import Path

from kokin import bills
from kokin.demo import write_city
from kokin.ledger import AuthorityFileState, Ledger, WorkQueue

QUEUE = Path(tempfile.mkdtemp()) / "queue"
QUEUE.mkdir()
shutil.copy(Path(__file__).with_name("queue.toml"), QUEUE)


def main() -> None:
    queue = WorkQueue(QUEUE)  # creates the folders of the authorities
    for seed, code in enumerate(queue.settings.authorities):
        city = write_city(QUEUE.parent / code, count=300, seed=seed)
        with Ledger.create(QUEUE / f"{code}.db", actor="setup") as ledger:
            ledger.add_bills(bills.read(of_authority(city.bills, code)).table, actor="setup")
        for path, _ in city.receipts:
            # A file gets its final name when it is complete: the queue ignores names that begin with a point.
            draft = QUEUE / code / "incoming" / f".{path.name}"
            shutil.copy(of_authority(path, code), draft)
            draft.rename(draft.with_name(path.name))

    results = list(queue.work(workers=2, until="empty"))
    for result in results:
        print(result.authority, result.file, result.state, result.totals["read"], result.exceptions)
    assert len(results) == 9
    assert {result.state for result in results} == {AuthorityFileState.POSTED}


def of_authority(path: Path, code: str) -> Path:
    """Replace the payee code of the demo's city, in the first or second column of a CSV."""
    content = path.read_bytes()
    path.write_bytes(re.sub(rb"^([^,\n]*,)?99999,", rb"\g<1>" + code.encode() + b",", content, flags=re.MULTILINE))
    return path


if __name__ == "__main__":  # the processes of the queue import this file
    main()
