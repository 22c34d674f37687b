/*
 * What the native test programs share. Each theme is a function in a file of its own; main.c lists
 * them. A theme prints one fact a line and returns 0 when it got to its end: what the facts must be
 * stands in NAME.out beside it. No libteec: the ioctls of <linux/tee.h> are spoken directly.
 */
#ifndef TEE_H
#define TEE_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/tee.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "test_ta.h"

#define CLIENT_DEVICE "/dev/tee0"
#define SUPPLICANT_DEVICE "/dev/teepriv0"
#define TEE_MAX_PARAMS 4
#define PAGE 4096ul

#define TEEC_SUCCESS 0u
#define TEEC_ERROR_ITEM_NOT_FOUND 0xffff0008u

/* Not in the header of every host. */
#define TEE_MEMREF_NULL_ID UINT64_MAX

/* What an ioctl with a result of the secure world gave back. */
struct reply {
	int rc; /* of the ioctl: 0, or -errno */
	uint32_t ret;
	uint32_t origin;
};

struct invocation {
	struct tee_ioctl_invoke_arg arg;
	struct tee_ioctl_param param[TEE_MAX_PARAMS];
};

struct opening {
	struct tee_ioctl_open_session_arg arg;
	struct tee_ioctl_param param[TEE_MAX_PARAMS];
};

/* A context with a session of the test TA. */
struct client {
	int fd;
	uint32_t session;
};

/* Shared memory as a program holds it. */
struct shm {
	int fd;
	int id;
	size_t size;
};

/* facts.c: what is printed */
void fact(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * The name of an errno; "ok" for 0 and above. Takes what a system call returned or -errno: for -1,
 * which is -EPERM as well, errno decides.
 */
const char *outcome(long rc);
/* A reply as a fact: an errno's name, or result and origin. */
void fact_reply(const char *what, struct reply reply);
/* Ends the program with exit code 2 when something that is not under test went wrong. */
void need(bool ok, const char *what);

/* calls.c: the ioctls */
/* ioctl() with -errno in place of -1. */
int tee_ioctl(int fd, unsigned long request, void *arg);
struct reply open_session(int fd, const uint8_t *uuid, uint32_t *session);
struct reply invoke(struct client client, uint32_t command, struct invocation *call);
int close_session(struct client client);
/* Opens /dev/tee0 and a session of the test TA, or ends the program. */
struct client connect_ta(void);
/* The TA adds one; ends the program unless it answers `value` + 1. */
void check_increment(struct client client, uint32_t value);
/* Registers memory: 0 or -errno. */
int register_memory(int fd, const void *address, size_t length, struct shm *shm);
/* Allocates memory: 0 or -errno. */
int allocate_memory(int fd, size_t size, struct shm *shm);
/* The sum of the bytes that the TA sees; -errno when the driver refuses. */
long sum_seen(struct client client, int id, uint64_t offset, uint64_t size);
/* The TA writes `pattern` to each byte. */
struct reply fill(struct client client, int id, uint64_t offset, uint64_t size, uint8_t pattern);

/* processes.c: children and their ends */
/* Ends the program unless the child exits 0. */
void join_child(int pid);
/* Waits until a child sleeps in an ioctl that the driver has begun; `fd` is any TEE's. */
void wait_until_blocked(int pid, int fd);
/* Waits until it sleeps so that no handler ends it, only death. */
void wait_until_killable(int pid);

static inline struct tee_ioctl_param value_param(uint64_t attr, uint64_t a, uint64_t b)
{
	return (struct tee_ioctl_param){ .attr = attr, .a = a, .b = b };
}

static inline struct tee_ioctl_param memref_param(uint64_t attr, uint64_t offset, uint64_t size,
						  int64_t id)
{
	return (struct tee_ioctl_param){ .attr = attr, .a = offset, .b = size, .c = id };
}

extern const uint8_t test_ta_uuid[TEE_IOCTL_UUID_LEN];
extern const uint8_t counter_ta_uuid[TEE_IOCTL_UUID_LEN];
extern const uint8_t missing_ta_uuid[TEE_IOCTL_UUID_LEN];

#define THEME(name) int theme_##name(int argc, char **argv)
THEME(abi);
THEME(answering);
THEME(args);
THEME(bad_pointers);
THEME(blocked);
THEME(command);
THEME(contexts);
THEME(count);
THEME(descriptors);
THEME(devices);
THEME(executed);
THEME(exec_chain);
THEME(forked);
THEME(identity);
THEME(in_place);
THEME(in_place_executed);
THEME(in_place_forked);
THEME(killed_in_invoke);
THEME(kills);
THEME(leader_gone);
THEME(memlock);
THEME(other_arch);
THEME(panics);
THEME(paths);
THEME(path_flags);
THEME(profile);
THEME(race);
THEME(rights);
THEME(rights_of_threads);
THEME(session);
THEME(shm_alloc);
THEME(shm_changed);
THEME(shm_register);
THEME(stdio_closed);
THEME(supplicant);
THEME(threads);
THEME(undumpable);
THEME(uninterrupted);
THEME(unrelated);
THEME(vfork_executed);
THEME(vfork_register);
THEME(wide_arguments);

#endif
