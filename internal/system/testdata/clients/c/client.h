/* What main.c, which speaks the commands of ../README.md, needs of a client library, and gives to it. */
#ifndef CLIENT_H
#define CLIENT_H

enum {
    PATIENCE = 20,       /* seconds that the broker has for each answer */
    KEEP_ALIVE = 60,     /* seconds */
    SESSION_EXPIRY = 600 /* seconds */
};

struct message {
    const char *topic;
    int qos;
    int retain;
    const char *payload;
};

/* Connects to port on 127.0.0.1 with protocol level 3, 4 or 5 and returns Session Present. will is NULL for
 * none. There is at most one connection at a time. */
int client_connect(int port, int level, const char *client_id, int clean, const struct message *will);
/* Subscribes and returns the granted QoS or the failure code. */
int client_subscribe(const char *filter, int qos);
/* Publishes and returns when the handshake of the QoS is done. */
void client_publish(const struct message *m);
void client_disconnect(void);

/* Prints a message that has arrived. Any thread may call it; payload need not end with 0. */
void print_message(const char *topic, int qos, int retain, const void *payload, int length);
/* A library answers on a thread of its own what the main thread waits for, one answer to each command.
 * await_answer fails after PATIENCE. */
void answer(int value);
int await_answer(void);
/* Prints an error and ends the program. Any thread may call it. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
