/* client.h over libmosquitto with its own network thread. */
#include "client.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <string.h>

static struct mosquitto *mosq;

static void check(int code, const char *what)
{
    if (code != MOSQ_ERR_SUCCESS)
        fail("%s: %s", what, mosquitto_strerror(code));
}

static void on_connect(struct mosquitto *m, void *obj, int code, int flags, const mosquitto_property *props)
{
    (void)m, (void)obj, (void)props;
    if (code != 0)
        fail("CONNACK with code %d", code);
    answer(flags & 1);
}

static void on_subscribe(struct mosquitto *m, void *obj, int mid, int n, const int *granted,
                         const mosquitto_property *props)
{
    (void)m, (void)obj, (void)mid, (void)props;
    if (n != 1)
        fail("SUBACK with %d codes", n);
    answer(granted[0]);
}

static void on_publish(struct mosquitto *m, void *obj, int mid, int code, const mosquitto_property *props)
{
    (void)m, (void)obj, (void)mid, (void)props;
    answer(code);
}

static void on_message(struct mosquitto *m, void *obj, const struct mosquitto_message *msg,
                       const mosquitto_property *props)
{
    (void)m, (void)obj, (void)props;
    print_message(msg->topic, msg->qos, msg->retain, msg->payload, msg->payloadlen);
}

static void on_disconnect(struct mosquitto *m, void *obj, int code, const mosquitto_property *props)
{
    (void)m, (void)obj, (void)props;
    if (code != 0)
        fail("connection lost: code %d", code);
    answer(0);
}

int client_connect(int port, int level, const char *client_id, int clean, const struct message *will)
{
    mosquitto_property *props = NULL;
    mosquitto_lib_init();
    mosq = mosquitto_new(client_id, clean, NULL);
    if (!mosq)
        fail("mosquitto_new");
    check(mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION, level), "protocol version");
    mosquitto_connect_v5_callback_set(mosq, on_connect);
    mosquitto_subscribe_v5_callback_set(mosq, on_subscribe);
    mosquitto_publish_v5_callback_set(mosq, on_publish);
    mosquitto_message_v5_callback_set(mosq, on_message);
    mosquitto_disconnect_v5_callback_set(mosq, on_disconnect);
    if (will)
        check(mosquitto_will_set(mosq, will->topic, strlen(will->payload), will->payload, will->qos,
                                 will->retain), "Will");
    if (level == 5 && !clean)
        check(mosquitto_property_add_int32(&props, MQTT_PROP_SESSION_EXPIRY_INTERVAL, SESSION_EXPIRY), "property");
    check(mosquitto_connect_bind_v5(mosq, "127.0.0.1", port, KEEP_ALIVE, NULL, props), "connect");
    mosquitto_property_free_all(&props);
    check(mosquitto_loop_start(mosq), "network thread");
    return await_answer();
}

int client_subscribe(const char *filter, int qos)
{
    check(mosquitto_subscribe(mosq, NULL, filter, qos), "subscribe");
    return await_answer();
}

void client_publish(const struct message *m)
{
    check(mosquitto_publish(mosq, NULL, m->topic, strlen(m->payload), m->payload, m->qos, m->retain), "publish");
    int code = await_answer();
    if (code >= 0x80)
        fail("publish: Reason Code 0x%02X", code);
}

void client_disconnect(void)
{
    check(mosquitto_disconnect(mosq), "disconnect");
    await_answer();
    check(mosquitto_loop_stop(mosq, false), "network thread");
    mosquitto_destroy(mosq);
    mosq = NULL;
}
