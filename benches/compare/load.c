// A client of HTTP/1.1 proxies, for measurements: closed loop, open loop, hosts in turn, tunnels, idle connections.
//
//     load --port 8080 --host origin.test --seconds 2 --connections 32
//
// Closed loop: every connection sends its next request when the response to the last one is complete. Open loop
// (--rate): requests are due at random times that do not depend on responses, with the same seed for every proxy, and a
// latency is counted from the time at which the request was due, also if it had to wait for a connection. The result is
// one line of JSON. One thread, epoll, no dependencies: it must cost less than what it measures.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum form { ORIGIN, ABSOLUTE, CONNECT };
enum state { CLOSED, CONNECTING, IDLE, OPENING_TUNNEL, WAITING_HEAD, READING_BODY };

struct connection {
    int fd;
    enum state state;
    int tunnelled;            // the CONNECT was answered with 200
    int used;                 // a response was read on it, so that the proxy may close it
    int64_t due;              // when the request was due, in nanoseconds
    int64_t body_left;        // -1: until the connection is closed
    int closes;               // the proxy said that it closes after this response
    size_t head_length;
    char head[8192];
};

static struct {
    int port, connections, new_connections, hold, tunnels_only, stride;
    double seconds, rate;
    int64_t requests, first, hosts;
    enum form form;
    const char *host, *path, *header;
} options = {.port = 8080, .connections = 32, .stride = 1, .seconds = 2,
             .host = "origin.test", .path = "/", .header = ""};

static struct connection *all;
static int *idle, idle_count, epoll;
static int64_t begun, completed, failed, reconnected, body_bytes, other_status;
static int64_t next_due, first_failure_status;
static int64_t *waiting, waiting_head, waiting_tail;      // due requests without a connection
static uint32_t *latencies;
static int64_t latency_count;
static uint64_t random_state = 0x9E3779B97F4A7C15u;
static int64_t stop_at, started;
static const int64_t LATENCIES = 8000000, WAITING = 1 << 22;
static char bulk[1 << 18];

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static void fatal(const char *what) {
    perror(what);
    exit(2);
}

// The gap to the next request: exponential, so that requests arrive like those of many independent clients.
static int64_t gap(void) {
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    double uniform = (double)((random_state >> 11) + 1) / 9007199254740993.0;
    return (int64_t)(-log(uniform) / options.rate * 1e9);
}

static int more(void) {
    if (options.hold || options.requests) return begun < (options.requests ? options.requests : options.connections);
    return now() < stop_at;
}

static void begin(struct connection *connection);

static void watch(struct connection *connection, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(epoll, operation, connection->fd, &event)) fatal("epoll_ctl");
}

static void open_connection(struct connection *connection) {
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connection->fd < 0) fatal("socket");
    int one = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->tunnelled = connection->used = 0;
    connection->head_length = 0;
    if (connect(connection->fd, (void *)&address, sizeof address) && errno != EINPROGRESS) fatal("connect");
    connection->state = CONNECTING;
    watch(connection, EPOLL_CTL_ADD, EPOLLOUT);
}

static void close_connection(struct connection *connection) {
    if (connection->state != CLOSED) close(connection->fd);
    connection->state = CLOSED;
}

// Connections without a request wait on a stack, the most recently used on top.
static void rest(struct connection *connection) {
    idle[idle_count++] = (int)(connection - all);
}

static int64_t host_number(int64_t request) {
    return options.first + (options.hosts ? request % options.hosts : request) * options.stride;
}

static void send_request(struct connection *connection) {
    char host[256], text[4096];
    snprintf(host, sizeof host, options.host, (long)host_number(begun++));
    const char *close = options.new_connections ? "Connection: close\r\n" : "";
    int length;
    if (options.form == CONNECT && !connection->tunnelled) {
        connection->state = OPENING_TUNNEL;
        const char *port = strchr(host, ':') ? "" : ":80";
        length = snprintf(text, sizeof text, "CONNECT %s%s HTTP/1.1\r\nHost: %s%s\r\n\r\n", host, port, host, port);
    } else {
        connection->state = WAITING_HEAD;
        int absolute = options.form == ABSOLUTE;
        const char *scheme = absolute ? "http://" : "", *authority = absolute ? host : "";
        length = snprintf(text, sizeof text, "GET %s%s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\n%s%s\r\n", scheme,
                          authority, options.path, host, options.header, close);
    }
    if (send(connection->fd, text, length, MSG_NOSIGNAL) != length) connection->closes = 1;
}

static void begin(struct connection *connection) {
    if (connection->state == CLOSED) open_connection(connection);
    else if (connection->state == IDLE) send_request(connection);
}

static void next(struct connection *connection) {
    if (options.hold) return;
    if (options.rate > 0 && waiting_head < waiting_tail) {
        connection->due = waiting[waiting_head++ % WAITING];
        begin(connection);
    } else if (options.rate == 0 && more()) {
        connection->due = now();
        begin(connection);
    } else {
        rest(connection);
    }
}

static void complete(struct connection *connection) {
    completed++;
    connection->used = 1;
    if (latency_count < LATENCIES) latencies[latency_count++] = (uint32_t)((now() - connection->due) / 1000);
    connection->head_length = 0;
    connection->state = connection->state == CLOSED ? CLOSED : IDLE;
    int ends = connection->closes || options.new_connections || (options.tunnels_only && !options.hold);
    if (ends) close_connection(connection);
    failed += ends && options.hold;
    connection->closes = 0;
    next(connection);
}

// A connection that failed with a request on it: the request failed, unless the proxy closed an idle connection that
// was about to be used again, in which case a client sends it once more.
static void broken(struct connection *connection) {
    int mid_request = connection->state != IDLE && connection->state != CLOSED;
    int again = connection->used && connection->head_length == 0 && connection->state == WAITING_HEAD;
    if (connection->state == IDLE) {
        failed += options.hold;
        close_connection(connection);
        return;
    }
    close_connection(connection);
    connection->head_length = 0, connection->closes = 0;
    if (again) {
        reconnected++, begun--;
        begin(connection);
    } else if (mid_request) {
        failed++;
        if (failed > 100000) exit(3);
        next(connection);
    }
}

static void parse_head(struct connection *connection, size_t surplus) {
    int status = connection->head_length > 12 ? atoi(connection->head + 9) : 0;
    if (connection->state == OPENING_TUNNEL) {
        if (status != 200) {
            other_status++, first_failure_status = status;
            connection->closes = 1, connection->state = READING_BODY;
            complete(connection);
            return;
        }
        connection->tunnelled = 1, connection->head_length = 0;
        if (options.tunnels_only) {
            complete(connection);
        } else {
            connection->state = IDLE, begun--;
            send_request(connection);
        }
        return;
    }
    if (status != 200) other_status++, first_failure_status = status;
    char *length = strcasestr(connection->head, "\r\ncontent-length:");
    connection->closes = strcasestr(connection->head, "\r\nconnection: close") != NULL;
    if (!strncmp(connection->head, "HTTP/1.0", 8) && !strcasestr(connection->head, "\r\nconnection: keep-alive"))
        connection->closes = 1;
    connection->body_left = length ? atoll(length + 17) : -1;
    if (!length && strcasestr(connection->head, "\r\ntransfer-encoding:")) other_status++, connection->body_left = -1;
    connection->state = READING_BODY;
    body_bytes += surplus;
    if (connection->body_left >= 0) {
        connection->body_left -= surplus;
        if (connection->body_left <= 0) complete(connection);
    }
}

static void readable(struct connection *connection) {
    for (;;) {
        if (connection->state == READING_BODY) {
            ssize_t count = recv(connection->fd, bulk, sizeof bulk, 0);
            if (count < 0 && errno == EAGAIN) return;
            if (count <= 0) {
                if (connection->body_left == -1 && count == 0) connection->closes = 1, complete(connection);
                else broken(connection);
                return;
            }
            body_bytes += count;
            if (connection->body_left > 0 && (connection->body_left -= count) <= 0) {
                complete(connection);
                return;
            }
        } else {
            size_t space = sizeof connection->head - 1 - connection->head_length;
            ssize_t count = recv(connection->fd, connection->head + connection->head_length, space, 0);
            if (count < 0 && errno == EAGAIN) return;
            if (count <= 0 || connection->state == IDLE) {
                broken(connection);
                return;
            }
            connection->head_length += count;
            connection->head[connection->head_length] = 0;
            char *end = memmem(connection->head, connection->head_length, "\r\n\r\n", 4);
            if (!end && connection->head_length == sizeof connection->head - 1) fatal("a head of more than 8 KiB");
            if (!end) return;
            size_t surplus = connection->head + connection->head_length - (end + 4);
            end[2] = 0;
            parse_head(connection, surplus);
            if (connection->state != READING_BODY) return;
        }
    }
}

static void handle(struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    if (connection->state == CLOSED) return;
    if (connection->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            broken(connection);
            return;
        }
        watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
        connection->state = IDLE;
        send_request(connection);
        return;
    }
    readable(connection);
}

// Gives requests that are due to idle connections; the others wait, and their time counts.
static void dispatch(void) {
    int64_t time = now();
    while (next_due <= time && next_due < stop_at) {
        if (waiting_tail - waiting_head >= WAITING) exit(4);
        waiting[waiting_tail++ % WAITING] = next_due;
        next_due += gap();
    }
    while (waiting_head < waiting_tail && idle_count) {
        struct connection *connection = &all[idle[--idle_count]];
        connection->due = waiting[waiting_head++ % WAITING];
        begin(connection);
    }
}

static int by_value(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static uint32_t quantile(double share) {
    if (!latency_count) return 0;
    int64_t index = (int64_t)ceil(share * (double)latency_count) - 1;
    return latencies[index < 0 ? 0 : index];
}

static void report(double elapsed) {
    qsort(latencies, latency_count, sizeof *latencies, by_value);
    printf("{\"requests\": %ld, \"failed\": %ld, \"other_status\": %ld, \"last_status\": %ld, \"reconnected\": %ld, "
           "\"bytes\": %ld, \"seconds\": %.6f, \"p50_us\": %u, \"p99_us\": %u, \"p999_us\": %u, \"max_us\": %u}\n",
           (long)completed, (long)failed, (long)other_status, (long)first_failure_status, (long)reconnected,
           (long)body_bytes, elapsed, quantile(0.5), quantile(0.99), quantile(0.999), quantile(1));
    fflush(stdout);
}

static void parse(int count, char **words) {
    static const struct option names[] = {
        {"port", 1, 0, 'p'}, {"host", 1, 0, 'h'}, {"path", 1, 0, 'u'}, {"header", 1, 0, 'H'}, {"connections", 1, 0, 'c'},
        {"seconds", 1, 0, 's'}, {"rate", 1, 0, 'r'}, {"requests", 1, 0, 'n'}, {"first", 1, 0, 'f'}, {"hosts", 1, 0, 'o'},
        {"stride", 1, 0, 'd'}, {"form", 1, 0, 'm'}, {"new-connections", 0, 0, 'N'}, {"tunnels-only", 0, 0, 'T'},
        {"hold", 0, 0, 'i'}, {0}};
    int option;
    while ((option = getopt_long(count, words, "", names, NULL)) != -1) {
        switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 'h': options.host = optarg; break;
        case 'u': options.path = optarg; break;
        case 'H': options.header = optarg; break;
        case 'c': options.connections = atoi(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'r': options.rate = atof(optarg); break;
        case 'n': options.requests = atoll(optarg); break;
        case 'f': options.first = atoll(optarg); break;
        case 'o': options.hosts = atoll(optarg); break;
        case 'd': options.stride = atoi(optarg); break;
        case 'm': options.form = *optarg == 'a' ? ABSOLUTE : *optarg == 'c' ? CONNECT : ORIGIN; break;
        case 'N': options.new_connections = 1; break;
        case 'T': options.tunnels_only = 1; break;
        case 'i': options.hold = 1; break;
        default: exit(2);
        }
    }
}

// Open loop: the connections are opened when they are first needed.
static int finished(int64_t time) {
    int64_t limit = options.requests ? options.requests : options.connections;
    if (options.hold || options.requests) return completed + failed >= limit;
    if (time < stop_at) return 0;
    int64_t open = waiting_tail - waiting_head;
    for (int i = 0; i < options.connections; i++) open += all[i].state != CLOSED && all[i].state != IDLE;
    // What is still in progress may end, but a proxy that cannot keep up is not waited for.
    return open == 0 || time > stop_at + (options.rate > 0 ? 2000000000ll : 1000000000ll);
}

int main(int count, char **words) {
    parse(count, words);
    prctl(PR_SET_TIMERSLACK, 1);
    all = calloc(options.connections, sizeof *all);
    idle = calloc(options.connections, sizeof *idle);
    waiting = calloc(options.rate > 0 ? WAITING : 1, sizeof *waiting);
    latencies = malloc(LATENCIES * sizeof *latencies);
    epoll = epoll_create1(0);
    started = now();
    stop_at = started + (int64_t)(options.seconds * 1e9);
    int opened = 0, at_once = options.hold && options.connections > 32 ? 32 : options.connections;
    if (options.rate > 0) {
        next_due = started + gap();
        for (int i = options.connections; i--;) rest(&all[i]);
    } else {
        while (opened < at_once) all[opened].due = now(), begin(&all[opened++]);
    }
    struct epoll_event events[256];
    while (!finished(now())) {
        struct timespec wait = {.tv_nsec = 100000000};
        if (options.rate > 0) {
            dispatch();
            int64_t left = next_due - now();
            if (next_due < stop_at && left < wait.tv_nsec) wait.tv_nsec = left < 0 ? 0 : left;
        }
        int ready = epoll_pwait2(epoll, events, 256, &wait, NULL);
        for (int i = 0; i < ready; i++) handle(&events[i]);
        // Idle connections are opened a few at a time, so that no proxy's accept queue overflows.
        while (options.hold && opened < options.connections && opened - completed - failed < 32)
            all[opened].due = now(), begin(&all[opened++]);
    }
    report((double)(now() - started) / 1e9);
    if (options.hold) while (read(0, bulk, sizeof bulk) > 0) {}
    return 0;
}
