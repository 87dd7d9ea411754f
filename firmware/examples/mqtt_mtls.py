"""MQTT with the board's own certificate: copy it to the board as app.py.

It needs micropython-lib's umqtt.simple: `mpremote mip install umqtt.simple`; firmware for ESP32
has it. The broker needs a certificate under the same CA; README.md shows how to set up Mosquitto.
umqtt.simple holds up everything else while it connects, a renewal included.
"""

import asyncio
import binascii
import gc

import machine
from umqtt.simple import MQTTClient

HOST = "mqtt.example.com"
PORT = 8883
NAME = "pump-" + binascii.hexlify(machine.unique_id()).decode()  # as in "CN=pump-{unique_id}"
INTERVAL = 10  # seconds between two messages, and between two attempts to connect
DEADLINE = 30  # seconds for each step of the handshake


class Context:
    """The identity's TLS context of the moment, as umqtt wants one, with a deadline."""

    def __init__(self, identity):
        self._identity = identity

    def wrap_socket(self, sock, **options):
        """Return a TLS socket on sock, a connected one."""
        sock.settimeout(DEADLINE)  # a broker that is silent would stop the board for ever
        return self._identity.ssl_context().wrap_socket(sock, **options)


def received(topic, message):
    """Do what a message (bytes) on a topic (bytes) says."""
    print("mqtt:", topic.decode(), "says", message.decode())


def connect(identity):
    """Return an MQTTClient that is connected and has subscribed."""
    gc.collect()  # the handshake needs large pieces of memory
    client = MQTTClient(NAME, HOST, PORT, keepalive=60, ssl=Context(identity))
    client.set_callback(received)
    client.connect()
    client.subscribe("%s/command" % NAME)
    print("mqtt: connected")
    return client


async def talk(client, changed):
    """Publish and receive until the identity has changed."""
    seconds = 0
    while not changed.is_set():
        if seconds % INTERVAL == 0:
            client.publish("%s/pressure" % NAME, b"3.2")
        client.check_msg()
        await asyncio.sleep(1)
        seconds += 1
    client.disconnect()


async def main(identity):
    """Be called by main.py, with the DeviceIdentity."""
    changed = asyncio.Event()
    identity.on_change = lambda identity: changed.set()
    while True:
        try:
            changed.clear()
            await talk(connect(identity), changed)
        except Exception as error:  # of the network or TLS, or umqtt met an answer that is none
            print("mqtt:", repr(error))
            await asyncio.sleep(INTERVAL)
