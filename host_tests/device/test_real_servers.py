"""What servers do that other clients get wrong: on each interpreter, beside test_est.py."""

import contextlib

import pytest
from certs_only import certs_only, issue, request
from cryptography.hazmat.primitives.asymmetric import ec
from scripted_server import ScriptedServer, answers, by_path, response

KEY = ec.generate_private_key(ec.SECP256R1())
CSR = request(KEY)


@pytest.mark.parametrize("status", [456, 457, 600, 712, 999])
def test_a_status_is_not_cut_to_eight_bits(device, context, anchor, status):
    # 456 is 200 in eight bits, 457 is 201, 712 is 200 again.
    answer = response(certs_only(anchor), f"{status} Odd")
    with ScriptedServer(answers(answer), context) as server:
        went = device.run("cacerts", port=server.port, anchors=[anchor])
    assert went["class"] == "ServerError" and str(status) in went["error"], went


def test_an_end_that_comes_together_with_the_body_is_seen(device, context, anchor):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + certs_only(anchor))
        with contextlib.suppress(OSError):
            connection.socket.unwrap()  # says that it closes, and waits for us to do so

    with ScriptedServer(script, context) as server:
        went = device.run("cacerts", port=server.port, anchors=[anchor])
    assert went.get("results") == [[anchor.hex()]], went


@pytest.mark.parametrize("original", [True, False])
def test_the_original_transfer_encoding_is_named_where_asked_for(
    device, ca, context, anchor, original
):
    script = by_path(cacerts=certs_only(anchor), enroll=certs_only(issue(ca, KEY.public_key())))
    with ScriptedServer(script, context) as server:
        went = device.run(
            "simpleenroll", port=server.port, anchors=[anchor], csr=CSR, original_spec=original
        )
    assert len(went["results"]) == 1, went
    get, post = server.requests
    assert get.header("content-transfer-encoding") is None
    assert post.header("content-transfer-encoding") == ("base64" if original else None)
    assert b"-----" not in post.body and post.body.endswith(b"\n")


def test_a_server_that_keeps_the_connection_open_is_not_waited_for(device, context, anchor):
    with ScriptedServer(answers(response(certs_only(anchor))), context) as server:
        went = device.run("cacerts", port=server.port, anchors=[anchor])
    assert len(went["results"]) == 1 and server.connections == 1
