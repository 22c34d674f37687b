/*
 * Signals and a call that sleeps. SUPPL_RECV without work is a wait that signals interrupt; an
 * invoke is not one. Runs as the only supplicant.
 */
#include "tee.h"
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#define RECV_PARAMS 5

static int supplicant;
static volatile sig_atomic_t handled;

static int receive(void)
{
	static struct {
		struct tee_iocl_supp_recv_arg arg;
		struct tee_ioctl_param param[RECV_PARAMS];
	} request;
	struct tee_ioctl_buf_data buf = { (uintptr_t)&request, sizeof(request) };
	memset(&request, 0, sizeof(request));
	request.arg.num_params = RECV_PARAMS;
	return tee_ioctl(supplicant, TEE_IOC_SUPPL_RECV, &buf);
}

static void alarm_in_ms(int ms)
{
	struct itimerval timer = { .it_value.tv_usec = ms * 1000 };
	need(setitimer(ITIMER_REAL, &timer, NULL) == 0, "setitimer");
}

/* A child sends it once this process sleeps in a call, so that it cannot come before. */
static void alarm_when_blocked(void)
{
	int parent = getpid();
	int pid = fork();
	if (pid != 0)
		return;
	wait_until_blocked(parent, supplicant);
	_exit(kill(parent, SIGALRM));
}

static int receive_and_join(void)
{
	int rc = receive();
	int status;
	need(wait(&status) > 0 && status == 0, "the child that sends a signal");
	return rc;
}

static void count(int signal)
{
	(void)signal;
	handled++;
}

static void set_handler(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	need(sigaction(signal, &action, NULL) == 0, "sigaction");
}

/* The call goes on after this one; only the next signal ends it. */
static void restart_once(int signal)
{
	handled++;
	set_handler(signal, count, 0);
	alarm_when_blocked();
}

static void interrupted(void)
{
	set_handler(SIGALRM, count, 0);
	handled = 0;
	alarm_when_blocked();
	int rc = receive_and_join();
	fact("RECV, a signal: %s, handled %d", outcome(rc), (int)handled);

	set_handler(SIGALRM, restart_once, SA_RESTART);
	handled = 0;
	alarm_when_blocked();
	rc = receive_and_join();
	need(wait(NULL) > 0, "the handler's child");
	fact("RECV, first with SA_RESTART: %s, handled %d", outcome(rc), (int)handled);
}

static void not_interrupted(void)
{
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	set_handler(SIGUSR1, count, 0);
	set_handler(SIGUSR2, SIG_IGN, 0);
	set_handler(SIGALRM, count, 0);
	handled = 0;
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	alarm_when_blocked();
	int rc = receive_and_join();
	fact("RECV, signals blocked and ignored, then one: %s, handled %d", outcome(rc),
	     (int)handled);
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	fact("unblocked: handled %d", (int)handled);
}

/* A stop is no end: the call goes on with SIGCONT, without EINTR. */
static void stopped(void)
{
	int status;
	int pid = fork();
	if (pid == 0) {
		set_handler(SIGALRM, count, 0);
		handled = 0;
		int rc = receive();
		_exit(rc == -EINTR && handled == 1 ? 0 : 1);
	}
	wait_until_blocked(pid, supplicant);
	kill(pid, SIGSTOP);
	need(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status), "a stop");
	kill(pid, SIGCONT);
	need(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status), "a continuation");
	wait_until_blocked(pid, supplicant);
	kill(pid, SIGALRM);
	join_child(pid);
	fact("RECV, stopped and continued, then a signal: EINTR");
}

THEME(blocked)
{
	(void)argc, (void)argv;
	supplicant = open(SUPPLICANT_DEVICE, O_RDWR);
	need(supplicant >= 0, SUPPLICANT_DEVICE);
	interrupted();
	not_interrupted();
	stopped();
	close(supplicant);
	return 0;
}

THEME(uninterrupted)
{
	(void)argc, (void)argv;
	struct client client = connect_ta();
	struct invocation call = { 0 };
	call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, 100, 0);
	set_handler(SIGALRM, count, 0);
	alarm_in_ms(20);
	struct reply reply = invoke(client, TA_TEST_CMD_WAIT, &call);
	fact_reply("invoke of 100 ms, a signal after 20", reply);
	fact("handled %d", (int)handled);
	return 0;
}
