"""Drives Eclipse Paho's Python client with the commands of ../README.md."""

import queue
import sys
import threading

from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE = 20  # seconds that the broker has for each answer
SESSION_EXPIRY = 600  # seconds

PORT, LEVEL = int(sys.argv[1]), int(sys.argv[2])

output = threading.Lock()
answers = queue.Queue()  # what the network thread tells the main thread: (name, value)


def print_line(line):
    with output:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def await_answer(name):
    got, value = answers.get(timeout=PATIENCE)
    if got != name:
        raise RuntimeError(f"got {got} {value} in place of {name}")
    return value


def on_message(client, userdata, m):
    print_line(f"message {m.topic} {m.qos} {int(m.retain)} {m.payload.decode()}")


def on_connect(client, userdata, flags, code, properties=None):
    if code != 0:
        answers.put(("refused", str(code)))
    else:
        answers.put(("connected", flags["session present"]))


def on_subscribe(client, userdata, mid, granted, properties=None):
    answers.put(("subscribed", getattr(granted[0], "value", granted[0])))


def on_disconnect(client, userdata, code, properties=None):
    answers.put(("disconnected" if code == 0 else "lost", str(code)))


def connect(client_id, clean, *will):
    options, connect_options = {}, {}
    if hasattr(mqtt, "CallbackAPIVersion"):  # since 2.0, where it is required
        options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION1
    if LEVEL == 5:
        connect_options["clean_start"] = clean == "1"
        if clean == "0":
            connect_options["properties"] = Properties(PacketTypes.CONNECT)
            connect_options["properties"].SessionExpiryInterval = SESSION_EXPIRY
    else:
        options["clean_session"] = clean == "1"
    c = mqtt.Client(client_id=client_id, protocol=LEVEL, **options)
    c.on_connect, c.on_disconnect = on_connect, on_disconnect
    c.on_subscribe, c.on_message = on_subscribe, on_message
    if will:
        topic, qos, retain, payload = will
        c.will_set(topic, payload, int(qos), retain == "1")
    c.connect("127.0.0.1", PORT, **connect_options)
    c.loop_start()
    return c, f"connected {await_answer('connected')}"


def subscribe(c, topic_filter, qos):
    c.subscribe(topic_filter, int(qos))
    return f"subscribed {await_answer('subscribed')}"


def publish(c, topic, qos, retain, payload=""):
    info = c.publish(topic, payload, int(qos), retain == "1")
    info.wait_for_publish(PATIENCE)
    if not info.is_published():
        raise RuntimeError("no answer")
    return "published"


def disconnect(c):
    c.disconnect()
    await_answer("disconnected")
    c.loop_stop()
    return "disconnected"


def main():
    c = None
    for line in sys.stdin:
        command, *fields = line.rstrip("\n").split(" ")
        try:
            if command == "connect":
                c, answer = connect(*fields)
            else:
                answer = {"subscribe": subscribe, "publish": publish, "disconnect": disconnect}[command](c, *fields)
        except Exception as e:
            print_line(f"error {line.strip()}: {e!r}")
            return 1
        print_line(answer)
    return 0


code = main()
sys.stdout.flush()
if code:
    sys.exit(code)
