/* Every pointer that an ioctl takes, pointing where it must not. */
#include "tee.h"
#include <sys/mman.h>

static struct client client;
static uint8_t *unmapped;
static uint8_t *readonly;
/* Its last byte is the last one mapped. */
static uint8_t *edge;

static void lay_out(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	uint8_t *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	need(at != MAP_FAILED, "mmap");
	edge = at + 2 * PAGE - 1;
	unmapped = at + 2 * PAGE;
	readonly = at + 3 * PAGE;
	need(munmap(unmapped, PAGE) == 0, "munmap");
	need(mprotect(readonly, PAGE, PROT_READ) == 0, "mprotect");
}

/* An ioctl whose argument points nowhere, to half of itself, or past the end of all. */
static void nowhere(const char *name, unsigned long request)
{
	void *const places[] = { NULL, unmapped, edge, (void *)(UINTPTR_MAX - 3),
				 (void *)(1ul << 63) };
	int refused = 0;
	for (int i = 0; i < 5; i++)
		refused += tee_ioctl(client.fd, request, places[i]) == -EFAULT;
	fact("%s: EFAULT for %d of 5", name, refused);
}

/* The same for the buffer behind struct tee_ioctl_buf_data. */
static void buffer_nowhere(const char *name, int fd, unsigned long request, size_t length)
{
	const uintptr_t places[] = { 0, (uintptr_t)unmapped, (uintptr_t)edge, UINTPTR_MAX - 3,
				     1ul << 63 };
	int refused = 0;
	for (int i = 0; i < 5; i++) {
		struct tee_ioctl_buf_data buf = { places[i], length };
		refused += tee_ioctl(fd, request, &buf) == -EFAULT;
	}
	fact("%s, buffer: EFAULT for %d of 5", name, refused);
}

/* Puts an argument where it can be read but not written. */
static void *as_readonly(const void *bytes, size_t length)
{
	need(mprotect(readonly, PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
	memcpy(readonly, bytes, length);
	need(mprotect(readonly, PAGE, PROT_READ) == 0, "mprotect");
	return readonly;
}

/* What cannot be told to the program must not be left behind. */
static void results_nowhere(void)
{
	struct tee_ioctl_version_data version = { 0 };
	void *at = as_readonly(&version, sizeof(version));
	fact("VERSION to memory that is read only: %s",
	     outcome(tee_ioctl(client.fd, TEE_IOC_VERSION, at)));
	struct tee_ioctl_shm_alloc_data alloc = { .size = PAGE };
	at = as_readonly(&alloc, sizeof(alloc));
	fact("SHM_ALLOC: %s", outcome(tee_ioctl(client.fd, TEE_IOC_SHM_ALLOC, at)));
	struct tee_ioctl_shm_register_data reg = { (uintptr_t)edge, 1, 0, 0 };
	at = as_readonly(&reg, sizeof(reg));
	fact("SHM_REGISTER: %s", outcome(tee_ioctl(client.fd, TEE_IOC_SHM_REGISTER, at)));
	struct shm shm;
	need(allocate_memory(client.fd, PAGE, &shm) == 0, "allocate");
	fact("the next id: %d, fd after the client's: %d", shm.id, shm.fd - client.fd);
}

static void calls_nowhere(void)
{
	struct opening open = { .arg.num_params = TEE_MAX_PARAMS };
	memcpy(open.arg.uuid, test_ta_uuid, TEE_IOCTL_UUID_LEN);
	struct tee_ioctl_buf_data buf = { .buf_len = sizeof(open) };
	buf.buf_ptr = (uintptr_t)as_readonly(&open, sizeof(open));
	fact("OPEN_SESSION into read-only memory: %s",
	     outcome(tee_ioctl(client.fd, TEE_IOC_OPEN_SESSION, &buf)));
	struct invocation call = { .arg.num_params = TEE_MAX_PARAMS };
	call.arg.session = client.session;
	call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, 1, 0);
	buf.buf_len = sizeof(call);
	buf.buf_ptr = (uintptr_t)as_readonly(&call, sizeof(call));
	fact("INVOKE: %s", outcome(tee_ioctl(client.fd, TEE_IOC_INVOKE, &buf)));
	buf.buf_ptr = (uintptr_t)unmapped;
	buf.buf_len = 4097;
	fact("a length that is wrong comes before a pointer that is: %s",
	     outcome(tee_ioctl(client.fd, TEE_IOC_INVOKE, &buf)));
}

THEME(bad_pointers)
{
	(void)argc, (void)argv;
	client = connect_ta();
	lay_out();
	nowhere("VERSION", TEE_IOC_VERSION);
	nowhere("SHM_ALLOC", TEE_IOC_SHM_ALLOC);
	nowhere("SHM_REGISTER", TEE_IOC_SHM_REGISTER);
	nowhere("OPEN_SESSION", TEE_IOC_OPEN_SESSION);
	nowhere("INVOKE", TEE_IOC_INVOKE);
	nowhere("CANCEL", TEE_IOC_CANCEL);
	nowhere("CLOSE_SESSION", TEE_IOC_CLOSE_SESSION);
	buffer_nowhere("OPEN_SESSION", client.fd, TEE_IOC_OPEN_SESSION, sizeof(struct opening));
	buffer_nowhere("INVOKE", client.fd, TEE_IOC_INVOKE, sizeof(struct invocation));
	int supplicant = open(SUPPLICANT_DEVICE, O_RDWR);
	need(supplicant >= 0, SUPPLICANT_DEVICE);
	buffer_nowhere("SUPPL_RECV", supplicant, TEE_IOC_SUPPL_RECV, 8 + 5 * 32);
	buffer_nowhere("SUPPL_SEND", supplicant, TEE_IOC_SUPPL_SEND, 8 + 5 * 32);
	close(supplicant);
	calls_nowhere();
	results_nowhere();
	check_increment(client, 1);
	return 0;
}
