/* How facts are printed. */
#include "tee.h"
#include <stdarg.h>

/* One write a line: children of one program print too, and a program may be killed. */
void fact(const char *format, ...)
{
	char line[512];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	need(length >= 0 && length < (int)sizeof(line) - 1, "a fact too long");
	line[length] = '\n';
	need(write(STDOUT_FILENO, line, length + 1) == length + 1, "write");
}

const char *outcome(long rc)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
#define NAME(code) { code, #code }
		NAME(EPERM),  NAME(ENOENT), NAME(EINTR),	NAME(EIO),    NAME(EBADF),
		NAME(EAGAIN), NAME(ENOMEM), NAME(EACCES),	NAME(EFAULT), NAME(EBUSY),
		NAME(EEXIST), NAME(ENXIO),  NAME(ENOTDIR),	NAME(EISDIR), NAME(EINVAL),
		NAME(EMFILE), NAME(ENOTTY), NAME(ENAMETOOLONG), NAME(ENODEV), NAME(ELOOP),
		NAME(EROFS),  NAME(EXDEV),  NAME(ESPIPE),	NAME(E2BIG),
#undef NAME
	};
	static char number[32];
	if (rc >= 0)
		return "ok";
	int code = rc == -1 ? errno : (int)-rc;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == code)
			return names[i].name;
	snprintf(number, sizeof(number), "errno %d", code);
	return number;
}

void fact_reply(const char *what, struct reply reply)
{
	if (reply.rc < 0)
		fact("%s: %s", what, outcome(reply.rc));
	else
		fact("%s: 0x%08x origin %u", what, reply.ret, reply.origin);
}

void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(2);
}
