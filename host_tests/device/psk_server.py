"""A server for TLS with a pre-shared key, of the standard library alone (CPython from 3.13 on).

JSON on standard input: {"keys": {identity: hex}, "tls": "1.2" or "1.3", "answers": {end of path:
an HTTP response in hex}, "certificate": PEM file or null}. Prints its port, then the request line
of each request; ends with its standard input.
"""

import json
import socket
import ssl
import sys
import threading

LENGTH = "content-length:"


def serve(connection, answers):
    with connection, connection.makefile("rb") as file:
        while line := file.readline().decode():
            print(line.strip(), flush=True)
            size = 0
            while header := file.readline().decode().strip().lower():
                if header.startswith(LENGTH):
                    size = int(header[len(LENGTH) :])
            file.read(size)
            path = line.split(" ")[1]
            found = [text for end, text in answers.items() if path.endswith(end)]
            connection.sendall(bytes.fromhex(found[0]))


def accept(listening, context, answers):
    while True:
        raw, _ = listening.accept()
        raw.settimeout(10)
        try:
            serve(context.wrap_socket(raw, server_side=True), answers)
        except OSError:
            raw.close()


def main():
    wish = json.loads(sys.stdin.readline())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[wish["tls"]]
    context.minimum_version = context.maximum_version = version
    if wish["certificate"]:
        context.load_cert_chain(wish["certificate"])
    else:
        context.set_ciphers("PSK")
        keys = {name: bytes.fromhex(key) for name, key in wish["keys"].items()}
        context.set_psk_server_callback(lambda name: keys.get(name, b""))
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    thread = threading.Thread(
        target=accept, args=(listening, context, wish["answers"]), daemon=True
    )
    thread.start()
    sys.stdin.read()


main()
