/* The commands of ../README.md, for a client library behind client.h. */
#include "client.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_LINE = 4096, MAX_FIELDS = 8 };

static int port, level;

/* Each line is one printf to a line-buffered stdout: stdio's lock keeps it whole. */
void print_message(const char *topic, int qos, int retain, const void *payload, int length)
{
    printf("message %s %d %d %.*s\n", topic, qos, retain, length, length > 0 ? (const char *)payload : "");
}

void fail(const char *format, ...)
{
    char text[MAX_LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    printf("error %s\n", text);
    _exit(1); /* not exit: the library's threads run on */
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int answered, answer_value; /* guarded by mutex */

void answer(int value)
{
    pthread_mutex_lock(&mutex);
    if (answered)
        fail("an answer too many: %d after %d", value, answer_value);
    answered = 1;
    answer_value = value;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

int await_answer(void)
{
    struct timespec until;
    int value, timed_out = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE;
    pthread_mutex_lock(&mutex);
    while (!answered && !timed_out)
        timed_out = pthread_cond_timedwait(&changed, &mutex, &until);
    if (!answered)
        fail("no answer");
    answered = 0;
    value = answer_value;
    pthread_mutex_unlock(&mutex);
    return value;
}

static struct message parse_message(char **f, int n)
{
    return (struct message){f[0], atoi(f[1]), atoi(f[2]), n > 3 ? f[3] : ""};
}

static void execute(char **f, int n)
{
    if (strcmp(f[0], "connect") == 0 && (n == 3 || n == 7)) {
        struct message will;
        if (n == 7)
            will = parse_message(f + 3, 4);
        int present = client_connect(port, level, f[1], atoi(f[2]), n == 7 ? &will : NULL);
        printf("connected %d\n", present);
    } else if (strcmp(f[0], "subscribe") == 0 && n == 3) {
        int granted = client_subscribe(f[1], atoi(f[2]));
        printf("subscribed %d\n", granted);
    } else if (strcmp(f[0], "publish") == 0 && (n == 4 || n == 5)) {
        struct message m = parse_message(f + 1, n - 1);
        client_publish(&m);
        printf("published\n");
    } else if (strcmp(f[0], "disconnect") == 0 && n == 1) {
        client_disconnect();
        printf("disconnected\n");
    } else {
        fail("unknown command %s", f[0]);
    }
}

int main(int argc, char **argv)
{
    char line[MAX_LINE];
    if (argc != 3)
        fail("usage: %s PORT LEVEL", argv[0]);
    port = atoi(argv[1]);
    level = atoi(argv[2]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        char *fields[MAX_FIELDS], *rest = line;
        int n = 0;
        line[strcspn(line, "\n")] = 0;
        while (n < MAX_FIELDS && (fields[n] = strsep(&rest, " ")))
            n++;
        execute(fields, n);
    }
    _exit(0); /* without DISCONNECT */
}
