/* client.h over the asynchronous library of Eclipse Paho for C, paho-mqtt3a. (The synchronous one does not
 * tell Session Present in MQTT 5, and polls.) The _5 callbacks are those of MQTT 5. */
#include "client.h"

#include <MQTTAsync.h>
#include <stdio.h>
#include <string.h>

static MQTTAsync client;
static int version;

static void check(int code, const char *what)
{
    if (code != MQTTASYNC_SUCCESS)
        fail("%s: code %d", what, code);
}

static int on_message(void *context, char *topic, int topic_length, MQTTAsync_message *m)
{
    (void)context, (void)topic_length;
    print_message(topic, m->qos, m->retained, m->payload, m->payloadlen);
    MQTTAsync_freeMessage(&m);
    MQTTAsync_free(topic);
    return 1;
}

static void on_lost(void *context, char *cause)
{
    (void)context;
    fail("connection lost: %s", cause ? cause : "unknown");
}

/* The context of the callbacks below is the name of what succeeded or not. */
static void on_failure(void *context, MQTTAsync_failureData *d)
{
    fail("%s: code %d", (const char *)context, d ? d->code : 0);
}

static void on_failure_5(void *context, MQTTAsync_failureData5 *d)
{
    fail("%s: code %d, Reason Code %d", (const char *)context, d->code, d->reasonCode);
}

static void on_connected(void *context, MQTTAsync_successData *d)
{
    (void)context;
    answer(d->alt.connect.sessionPresent);
}

static void on_connected_5(void *context, MQTTAsync_successData5 *d)
{
    (void)context;
    answer(d->alt.connect.sessionPresent);
}

static void on_subscribed(void *context, MQTTAsync_successData *d)
{
    (void)context;
    answer(d->alt.qos);
}

/* The Reason Code of what is subscribed to is the granted QoS. */
static void on_done_5(void *context, MQTTAsync_successData5 *d)
{
    (void)context;
    answer(d ? d->reasonCode : 0);
}

static void on_done(void *context, MQTTAsync_successData *d)
{
    (void)context, (void)d;
    answer(0);
}

static MQTTAsync_responseOptions response(const char *what, MQTTAsync_onSuccess *on_success)
{
    MQTTAsync_responseOptions r = MQTTAsync_responseOptions_initializer;
    r.context = (void *)what;
    if (version == 5) {
        r.onSuccess5 = on_done_5;
        r.onFailure5 = on_failure_5;
    } else {
        r.onSuccess = on_success;
        r.onFailure = on_failure;
    }
    return r;
}

static void connect_3(MQTTAsync_connectOptions *o, int clean)
{
    o->MQTTVersion = version;
    o->cleansession = clean;
    o->onSuccess = on_connected;
    o->onFailure = on_failure;
    check(MQTTAsync_connect(client, o), "connect");
}

static void connect_5(MQTTAsync_connectOptions *o, int clean)
{
    MQTTProperties props = MQTTProperties_initializer;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, .value.integer4 = SESSION_EXPIRY};
    o->cleanstart = clean;
    o->onSuccess5 = on_connected_5;
    o->onFailure5 = on_failure_5;
    if (!clean)
        check(MQTTProperties_add(&props, &expiry), "property");
    o->connectProperties = &props;
    check(MQTTAsync_connect(client, o), "connect");
    MQTTProperties_free(&props);
}

int client_connect(int port, int level, const char *client_id, int clean, const struct message *will)
{
    char url[64];
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    MQTTAsync_connectOptions options_3 = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions options_5 = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions *o = level == 5 ? &options_5 : &options_3;
    MQTTAsync_willOptions w = MQTTAsync_willOptions_initializer;
    version = create.MQTTVersion = level; /* the library's constants are the protocol levels */
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", port);
    check(MQTTAsync_createWithOptions(&client, url, client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &create), "create");
    check(MQTTAsync_setCallbacks(client, NULL, on_lost, on_message, NULL), "callbacks");
    o->context = "connect";
    o->keepAliveInterval = KEEP_ALIVE;
    o->connectTimeout = PATIENCE;
    if (will) {
        w.topicName = will->topic;
        w.message = will->payload;
        w.qos = will->qos;
        w.retained = will->retain;
        o->will = &w;
    }
    if (level == 5)
        connect_5(o, clean);
    else
        connect_3(o, clean);
    return await_answer();
}

int client_subscribe(const char *filter, int qos)
{
    MQTTAsync_responseOptions r = response("subscribe", on_subscribed);
    check(MQTTAsync_subscribe(client, filter, qos, &r), "subscribe");
    return await_answer();
}

void client_publish(const struct message *m)
{
    MQTTAsync_responseOptions r = response("publish", on_done);
    check(MQTTAsync_send(client, m->topic, strlen(m->payload), m->payload, m->qos, m->retain, &r), "publish");
    await_answer();
}

void client_disconnect(void)
{
    MQTTAsync_disconnectOptions o = MQTTAsync_disconnectOptions_initializer;
    MQTTAsync_disconnectOptions o_5 = MQTTAsync_disconnectOptions_initializer5;
    if (version == 5)
        o = o_5;
    o.context = "disconnect";
    o.timeout = PATIENCE * 1000;
    if (version == 5) {
        o.onSuccess5 = on_done_5;
        o.onFailure5 = on_failure_5;
    } else {
        o.onSuccess = on_done;
        o.onFailure = on_failure;
    }
    check(MQTTAsync_disconnect(client, &o), "disconnect");
    await_answer();
    MQTTAsync_destroy(&client);
}
