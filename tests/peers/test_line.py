"""The line between a client and the simulator changes when bytes come, and nothing else."""

import socket
import threading

from peers.line import Line


def answered(server, answer):
    """Take one connection: read to its end, then answer and hang up."""
    got = []

    def serve():
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(4096):
                got.append(data)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return got, thread


def test_bytes_arrive_whole_and_in_order_and_the_end_arrives_behind_them():
    sent, answer = b"".join(b"%d," % number for number in range(50_000)), b"y" * 300_000
    with socket.create_server(("127.0.0.1", 0)) as server, Line(server.getsockname()[1], 0.001) as line:
        got, thread = answered(server, answer)
        with socket.create_connection(("127.0.0.1", int(line.url.rpartition(":")[2]))) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            back = b""
            while data := client.recv(65_536):
                back += data
        thread.join()
    assert b"".join(got) == sent
    assert back == answer


def test_a_line_to_nobody_hangs_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        Line(port, 0.001) as line,
        socket.create_connection(("127.0.0.1", int(line.url.rpartition(":")[2]))) as client,
    ):
        assert client.recv(10) == b""


def test_a_line_is_left_in_silence_while_a_connection_stands(capfd):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with Line(server.getsockname()[1], 0.001) as line:
            client = socket.create_connection(("127.0.0.1", int(line.url.rpartition(":")[2])))
            served, _ = server.accept()
            served.sendall(b"x")
            assert client.recv(1) == b"x"
        assert client.recv(1) == b""
        client.close()
        served.close()
    assert capfd.readouterr().err == ""
