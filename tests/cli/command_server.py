"""The command without its start: a server that has imported everything forks for each call.

``python command_server.py SOCKET`` is the server. With arguments after ``SOCKET`` it is a call of the command: the fork
gets its arguments, environment, folder and standard streams, and it ends with the exit code of the fork.
"""

import marshal
import os
import signal
import socket
import sys
from pathlib import Path


def call(path: str, arguments: list[str]) -> int:
    """Run the command in a fork of the server, and return its exit code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        request = (os.fsencode(Path.cwd()), [os.fsencode(each) for each in arguments], dict(os.environb))
        socket.send_fds(connection, [marshal.dumps(request)], [0, 1, 2])
        answer = connection.recv(1)
    return answer[0] if answer else 128 + signal.SIGKILL


def serve(path: str) -> None:
    """Fork for each connection; print a line when the socket is ready."""
    import kokin.cli._app
    import kokin.ledger
    import kokin.receipts.layouts
    import kokin.reports  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                connection.send(bytes([_run(connection)]))
                os._exit(0)
            connection.close()


def _run(connection: socket.socket) -> int:
    from kokin.cli import main

    message, streams, _, _ = socket.recv_fds(connection, 1 << 17, 3)
    folder, arguments, environment = marshal.loads(message)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environb.clear()
    os.environb.update(environment)
    sys.argv = ["kokin", *map(os.fsdecode, arguments)]
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    else:
        sys.exit(call(sys.argv[1], sys.argv[2:]))
