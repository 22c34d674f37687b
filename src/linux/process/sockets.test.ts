import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  EAFNOSUPPORT,
  EAGAIN,
  EALREADY,
  EBADF,
  ECONNREFUSED,
  ECONNRESET,
  EDESTADDRREQ,
  EFAULT,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENETUNREACH,
  ENOPROTOOPT,
  ENOTCONN,
  ENOTSOCK,
  EPIPE,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
  ESPIPE,
  ETIMEDOUT,
} from '../../abi/errno.ts';
import { F_GETFD, F_GETFL, O_NONBLOCK, O_RDONLY, SIGPIPE, SIGTERM } from '../../abi/fcntl.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  IPPROTO_TCP,
  IPPROTO_UDP,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_PEEK,
  MSG_TRUNC,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLRDHUP,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SO_DOMAIN,
  SO_ERROR,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_SNDBUF,
  SO_TYPE,
} from '../../abi/socket.ts';
import type { HostEndpoint } from '../../host/net.ts';
import { va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { resolveHost } from './resolver.ts';
import { makeKernel, makeProgram } from './testing/make-kernel.ts';
import { TestNet } from './testing/test-net.ts';
import type { TestPeer } from './testing/test-net.ts';

const SERVER: HostEndpoint = { family: 4, address: '127.0.0.1', port: 7 };

/** A program with a network, and shorthands for text. */
function box(hasNet = true) {
  const net = new TestNet();
  const kernel = makeKernel(hasNet ? { net } : {});
  net.sched = kernel.sched;
  const program = makeProgram(kernel);
  const { sys, memory } = program;
  const buffer = memory.malloc(70_000);
  /** Runs the box until the call is over, or nothing more happens. */
  const run = <T>(co: Co<T>): T => {
    const value = program.run(co);
    if (!(value instanceof Promise)) return value;
    let ended: { value: T } | { error: unknown } | undefined;
    value.then(
      (got) => (ended = { value: got }),
      (error: unknown) => (ended = { error }),
    );
    kernel.sched.runReady();
    const { task } = program.thread;
    if (task.co !== undefined) throw new Error(`asleep in ${task.blocked?.site}`);
    if (task.failed) throw task.error;
    void ended;
    return task.result as T;
  };
  const put = (text: string): number => {
    const bytes = new TextEncoder().encode(text);
    memory.write(buffer, bytes);
    return bytes.length;
  };
  const open = (type: number, peer: HostEndpoint = SERVER): { fd: number; peer: TestPeer } => {
    const fd = run(sys.socket(peer.family === 6 ? AF_INET6 : AF_INET, type));
    assert.equal(run(sys.connect(fd, peer)), 0);
    return { fd, peer: net.peers.at(-1)! };
  };
  return {
    kernel,
    program,
    sys,
    memory,
    buffer,
    net,
    run,
    open,
    settle: () => kernel.sched.runReady(),
    send: (fd: number, text: string, flags = 0) => run(sys.sendto(fd, buffer, put(text), flags)),
    recv(fd: number, length = 100, flags = 0): string | number {
      const got = run(sys.recvfrom(fd, buffer, length, flags));
      return got < 0 ? got : new TextDecoder().decode(memory.read(buffer, Math.min(got, length)));
    },
    poll: (fd: number, events: number, timeoutMs = 0) => run(sys.poll([{ fd, events }], timeoutMs)),
  };
}

describe('socket()', () => {
  for (const [what, args, result] of [
    ['a family that there is not', [1, SOCK_STREAM, 0], -EAFNOSUPPORT],
    ['no family', [AF_UNSPEC, SOCK_STREAM, 0], -EAFNOSUPPORT],
    ['a type that there is not', [AF_INET, 3, 0], -ESOCKTNOSUPPORT],
    ['flags that there are not', [AF_INET, SOCK_STREAM | 0x10, 0], -EINVAL],
    ['a protocol that does not fit', [AF_INET, SOCK_STREAM, IPPROTO_UDP], -EPROTONOSUPPORT],
    ['a stream', [AF_INET, SOCK_STREAM, IPPROTO_TCP], 0],
    ['datagrams', [AF_INET6, SOCK_DGRAM, 0], 0],
  ] as const) {
    it(`${what}: ${result}`, () => {
      const { sys, run } = box();
      assert.equal(run(sys.socket(args[0], args[1], args[2])), result);
    });
  }

  it('takes its flags', () => {
    const { sys, run } = box();
    const fd = run(sys.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC));
    assert.equal(run(sys.fcntl(fd, F_GETFL)) & O_NONBLOCK, O_NONBLOCK);
    assert.equal(run(sys.fcntl(fd, F_GETFD)), 1);
  });

  it('is told from other files', () => {
    const { sys, run, buffer } = box();
    const fd = run(sys.open('/dev/null', O_RDONLY));
    const calls: readonly ((fd: number) => Co<unknown>)[] = [
      (at) => sys.connect(at, SERVER),
      (at) => sys.sendto(at, buffer, 1),
      (at) => sys.recvfrom(at, buffer, 1),
      (at) => sys.shutdown(at, SHUT_RD),
      (at) => sys.getpeername(at),
      (at) => sys.getsockname(at),
      (at) => sys.getsockopt(at, SOL_SOCKET, SO_TYPE),
      (at) => sys.setsockopt(at, SOL_SOCKET, SO_RCVBUF, buffer, 4),
    ];
    for (const call of calls) {
      assert.equal(run(call(fd)), -ENOTSOCK);
      assert.equal(run(call(99)), -EBADF);
    }
  });

  it('has no position', () => {
    const { sys, run, buffer, open } = box();
    const { fd } = open(SOCK_STREAM);
    assert.equal(run(sys.lseek(fd, 0, 0)), -ESPIPE);
    assert.equal(run(sys.pread64(fd, buffer, 1, 0)), -ESPIPE);
  });
});

describe('a kernel without a network', () => {
  it('reaches nobody, and says why', () => {
    const { sys, run, kernel } = box(false);
    for (const type of [SOCK_STREAM, SOCK_DGRAM]) {
      const fd = run(sys.socket(AF_INET, type));
      assert.equal(run(sys.connect(fd, SERVER)), -ENETUNREACH);
      assert.match(kernel.trace.lastCause?.text ?? '', /127\.0\.0\.1: this box has no network/);
    }
  });

  it('knows numeric hosts and no others', () => {
    const { run, kernel } = box(false);
    const find = (host: string, family: 0 | 4 | 6 = 0) => run(resolveHost(kernel, host, family));
    assert.deepEqual(find('10.0.0.255'), [{ family: 4, address: '10.0.0.255' }]);
    assert.deepEqual(find('fe80::1', 6), [{ family: 6, address: 'fe80::1' }]);
    for (const host of ['10.0.0.256', '10.0.0', 'localhost', '']) assert.deepEqual(find(host), []);
    assert.deepEqual(find('::1', 4), []);
    assert.match(kernel.trace.lastCause?.text ?? '', /no network, so no name server/);
  });
});

describe('streams', () => {
  it('connect, send and receive', () => {
    const { open, send, recv, sys, run } = box();
    const { fd, peer } = open(SOCK_STREAM);
    assert.equal(send(fd, 'hello'), 5);
    assert.equal(peer.text, 'hello');
    peer.tell('wor');
    peer.tell('ld');
    assert.equal(recv(fd, 2), 'wo');
    assert.equal(recv(fd), 'rld');
    assert.deepEqual(run(sys.getpeername(fd)), SERVER);
    assert.deepEqual(run(sys.getsockname(fd)), { ...SERVER, port: 40000 });
    assert.equal(run(sys.close(fd)), 0);
    assert.equal(peer.closed, true);
  });

  it('are read and written as files', () => {
    const { open, sys, run, buffer, memory } = box();
    const { fd, peer } = open(SOCK_STREAM, { family: 6, address: '::1', port: 7 });
    memory.write(buffer, Uint8Array.of(1, 2, 3));
    assert.equal(run(sys.write(fd, buffer, 3)), 3);
    assert.deepEqual(peer.received[0], Uint8Array.of(1, 2, 3));
    peer.tell(Uint8Array.of(9));
    assert.equal(run(sys.read(fd, buffer, 10)), 1);
    assert.equal(memory.u8(buffer), 9);
  });

  for (const [code, result] of [
    ['ECONNREFUSED', -ECONNREFUSED],
    ['ETIMEDOUT', -ETIMEDOUT],
  ] as const) {
    it(`fail to connect: ${code}, and may try again`, () => {
      const { sys, run, net } = box();
      net.failures.set(':7', code);
      const fd = run(sys.socket(AF_INET, SOCK_STREAM));
      assert.equal(run(sys.connect(fd, SERVER)), result);
      assert.equal(run(sys.connect(fd, { ...SERVER, port: 8 })), 0);
      assert.equal(run(sys.connect(fd, SERVER)), -EISCONN);
    });
  }

  it('connect meanwhile when they do not block', () => {
    const { sys, run, settle, poll } = box();
    const fd = run(sys.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK));
    assert.equal(run(sys.connect(fd, SERVER)), -EINPROGRESS);
    assert.equal(run(sys.connect(fd, SERVER)), -EALREADY);
    assert.deepEqual(poll(fd, POLLOUT), [0]);
    settle();
    assert.deepEqual(poll(fd, POLLOUT), [POLLOUT]);
    assert.equal(run(sys.getsockopt(fd, SOL_SOCKET, SO_ERROR)), 0);
  });

  it('refuse another family', () => {
    const { sys, run } = box();
    const fd = run(sys.socket(AF_INET6, SOCK_STREAM));
    assert.equal(run(sys.connect(fd, SERVER)), -EAFNOSUPPORT);
  });

  it('that never stood have nobody to talk to', () => {
    const { sys, run, recv, send, poll } = box();
    const fd = run(sys.socket(AF_INET, SOCK_STREAM));
    assert.equal(recv(fd), -ENOTCONN);
    assert.equal(send(fd, 'x', MSG_NOSIGNAL), -EPIPE);
    assert.equal(run(sys.shutdown(fd, SHUT_RDWR)), -ENOTCONN);
    assert.equal(run(sys.getpeername(fd)), -ENOTCONN);
    assert.equal((run(sys.getsockname(fd)) as HostEndpoint).address, '0.0.0.0');
    assert.deepEqual(poll(fd, POLLOUT), [POLLOUT | POLLHUP]);
  });

  it('peek, do not wait, and end', () => {
    const { open, recv, settle, poll } = box();
    const { fd, peer } = open(SOCK_STREAM);
    assert.equal(recv(fd, 5, MSG_DONTWAIT), -EAGAIN);
    peer.tell('abc');
    settle();
    assert.equal(recv(fd, 2, MSG_PEEK), 'ab');
    peer.finish();
    settle();
    assert.deepEqual(poll(fd, POLLIN | POLLRDHUP), [POLLIN | POLLRDHUP]);
    assert.equal(recv(fd), 'abc');
    assert.equal(recv(fd), '');
  });

  it('are reset: the error first, the end then', async () => {
    const { open, recv, send, settle, poll, program } = box();
    const { fd, peer } = open(SOCK_STREAM);
    peer.fail('ECONNRESET');
    settle();
    assert.deepEqual(poll(fd, 0), [POLLERR | POLLHUP]);
    assert.equal(recv(fd), -ECONNRESET);
    assert.equal(recv(fd), '');
    assert.throws(() => send(fd, 'x'), /killed by SIGPIPE/);
    assert.deepEqual(await program.exited(), { kind: 'killed', signal: SIGPIPE });
  });

  it('are shut down one way', () => {
    const { open, send, sys, run } = box();
    const { fd, peer } = open(SOCK_STREAM);
    assert.equal(run(sys.shutdown(fd, 3)), -EINVAL);
    assert.equal(run(sys.shutdown(fd, SHUT_WR)), 0);
    assert.equal(peer.ended, true);
    assert.equal(send(fd, 'x', MSG_NOSIGNAL), -EPIPE);
  });

  it('send as far as the buffer goes', () => {
    const { open, sys, run, buffer, poll, settle } = box();
    const { fd, peer } = open(SOCK_STREAM);
    peer.holds = true;
    assert.equal(run(sys.sendto(fd, buffer, 20_000, MSG_DONTWAIT)), 16_384);
    assert.equal(run(sys.sendto(fd, buffer, 1, MSG_DONTWAIT)), -EAGAIN);
    assert.deepEqual(poll(fd, POLLOUT), [0]);
    peer.confirm();
    settle();
    assert.deepEqual(poll(fd, POLLOUT), [POLLOUT]);
    // A call that blocks sends all of it.
    assert.equal(run(sys.sendto(fd, buffer, 60_000)), 60_000);
  });

  it('hold the other end back while nobody reads', () => {
    const { open, recv, settle } = box();
    const { fd, peer } = open(SOCK_STREAM);
    peer.tell(new Uint8Array(131_072));
    settle();
    assert.equal(peer.paused, true);
    recv(fd, 1);
    assert.equal(peer.paused, false);
  });

  it('keep what cannot be stored', () => {
    const { open, sys, run, recv } = box();
    const { fd, peer } = open(SOCK_STREAM);
    peer.tell('abc');
    assert.equal(run(sys.recvfrom(fd, va(0), 3)), -EFAULT);
    assert.equal(recv(fd), 'abc');
    assert.equal(run(sys.sendto(fd, va(0), 3)), -EFAULT);
  });

  it('are left by a killed program', async () => {
    const { program, sys, net, kernel } = box();
    net.failures.set(':7', 'none');
    const connecting = program.run(
      (function* () {
        const fd = yield* sys.socket(AF_INET, SOCK_STREAM);
        return yield* sys.connect(fd, SERVER);
      })(),
    );
    program.kill(SIGTERM);
    await assert.rejects(async () => connecting, /killed by SIGTERM/);
    assert.equal(net.peers[0]!.closed, true);
    assert.equal(kernel.openFiles().length, 0);
  });
});

describe('datagrams', () => {
  it('keep their borders', () => {
    const { open, send, recv, settle, sys, run, buffer } = box();
    const { fd, peer } = open(SOCK_DGRAM);
    assert.equal(send(fd, 'one'), 3);
    assert.equal(send(fd, ''), 0);
    assert.deepEqual(
      peer.received.map(({ length }) => length),
      [3, 0],
    );
    peer.tell('abcdef');
    peer.tell('');
    peer.tell('x');
    settle();
    assert.deepEqual(run(sys.recvmsg(fd, buffer, 2, MSG_PEEK)), { length: 2, flags: MSG_TRUNC });
    assert.equal(run(sys.recvfrom(fd, buffer, 2, MSG_PEEK | MSG_TRUNC)), 6);
    assert.deepEqual(run(sys.recvmsg(fd, buffer, 6)), { length: 6, flags: 0 });
    assert.equal(recv(fd), '');
    assert.equal(recv(fd), 'x');
    assert.equal(recv(fd, 1, MSG_DONTWAIT), -EAGAIN);
  });

  it('need a peer, and may get another one', () => {
    const { sys, run, send, net, recv } = box();
    const fd = run(sys.socket(AF_INET, SOCK_DGRAM));
    assert.equal(send(fd, 'x'), -EDESTADDRREQ);
    assert.equal(recv(fd, 1, MSG_DONTWAIT), -EAGAIN);
    for (const port of [7, 8]) {
      assert.equal(run(sys.connect(fd, { ...SERVER, port })), 0);
      assert.equal(net.peers[0]!.endpoint.port, port);
    }
    assert.equal(net.peers.length, 1);
    net.failures.set(':9', 'ENETUNREACH');
    assert.equal(run(sys.connect(fd, { ...SERVER, port: 9 })), -ENETUNREACH);
    assert.deepEqual(run(sys.getpeername(fd)), { ...SERVER, port: 8 }, 'the old one stays');
    assert.equal(send(fd, 'x'), 1);
  });

  it('have a greatest size', () => {
    const { open, sys, run, buffer } = box();
    const four = open(SOCK_DGRAM).fd;
    const six = open(SOCK_DGRAM, { family: 6, address: '::1', port: 7 }).fd;
    assert.equal(run(sys.sendto(four, buffer, 65_507)), 65_507);
    assert.equal(run(sys.sendto(four, buffer, 65_508)), -EMSGSIZE);
    assert.equal(run(sys.sendto(six, buffer, 65_527)), 65_527);
    assert.equal(run(sys.sendto(six, buffer, 65_528)), -EMSGSIZE);
  });

  it('tell that nobody listens, once', () => {
    const { open, recv, settle, poll, send } = box();
    const { fd, peer } = open(SOCK_DGRAM);
    peer.fail('ECONNREFUSED');
    settle();
    assert.deepEqual(poll(fd, 0), [POLLERR]);
    assert.equal(recv(fd), -ECONNREFUSED);
    assert.equal(send(fd, 'x'), 1);
  });

  it('are dropped when the buffer is full', () => {
    const { open, sys, run, buffer, memory, recv, settle } = box();
    const { fd, peer } = open(SOCK_DGRAM);
    memory.setU32(buffer, 1);
    assert.equal(run(sys.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, buffer, 4)), 0);
    peer.tell(new Uint8Array(2000));
    peer.tell(new Uint8Array(2000));
    peer.tell('end');
    settle();
    assert.equal((recv(fd, 5000) as string).length, 2000);
    assert.equal(recv(fd), 'end');
  });

  it('are shut down', () => {
    const { open, recv, send, sys, run, poll } = box();
    const { fd } = open(SOCK_DGRAM);
    run(sys.shutdown(fd, SHUT_RDWR));
    assert.equal(recv(fd), '');
    assert.equal(send(fd, 'x', MSG_NOSIGNAL), -EPIPE);
    assert.deepEqual(poll(fd, POLLIN), [POLLIN | POLLHUP]);
  });
});

describe('options', () => {
  it('are read', () => {
    const { open, sys, run } = box();
    const { fd } = open(SOCK_DGRAM);
    const get = (name: number, level = SOL_SOCKET) => run(sys.getsockopt(fd, level, name));
    assert.deepEqual(
      [SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR].map((name) => get(name)),
      [SOCK_DGRAM, AF_INET, IPPROTO_UDP, 0],
    );
    assert.deepEqual([get(SO_RCVBUF), get(SO_SNDBUF)], [212_992, 212_992]);
    assert.equal(get(99), -ENOPROTOOPT);
    assert.equal(get(SO_TYPE, IPPROTO_TCP), -ENOPROTOOPT);
  });

  for (const [value, rcvbuf, sndbuf] of [
    [10_000, 20_000, 20_000],
    [0, 2304, 4608],
    [1 << 30, 425_984, 425_984],
    [0xffff_ffff, 425_984, 425_984],
  ] as const) {
    it(`buffers of ${value} bytes`, () => {
      const { open, sys, run, buffer, memory } = box();
      const { fd } = open(SOCK_STREAM);
      memory.setU32(buffer, value);
      for (const [name, result] of [
        [SO_RCVBUF, rcvbuf],
        [SO_SNDBUF, sndbuf],
      ] as const) {
        assert.equal(run(sys.setsockopt(fd, SOL_SOCKET, name, buffer, 4)), 0);
        assert.equal(run(sys.getsockopt(fd, SOL_SOCKET, name)), result);
      }
    });
  }

  it('are checked', () => {
    const { open, sys, run, buffer } = box();
    const { fd } = open(SOCK_STREAM);
    for (const [level, name, at, length, result] of [
      [SOL_SOCKET, SO_RCVBUF, buffer, 3, -EINVAL],
      [SOL_SOCKET, SO_RCVBUF, va(0), 4, -EFAULT],
      [SOL_SOCKET, SO_TYPE, buffer, 4, -ENOPROTOOPT],
      [IPPROTO_TCP, SO_RCVBUF, buffer, 4, -ENOPROTOOPT],
    ] as const) {
      assert.equal(run(sys.setsockopt(fd, level, name, at, length)), result);
    }
  });
});

describe('poll()', () => {
  it('waits for what comes, or for the end of its time', () => {
    const { open, poll, kernel } = box();
    const { fd, peer } = open(SOCK_STREAM);
    const before = kernel.sched.nowNs();
    assert.deepEqual(poll(fd, POLLIN, 20), [0]);
    assert.ok(kernel.sched.nowNs() - before >= 20e6);
    peer.tell('x');
    assert.deepEqual(poll(fd, POLLIN, -1), [POLLIN]);
  });

  it('watches several files', () => {
    const { open, sys, run } = box();
    const [one, two] = [open(SOCK_STREAM), open(SOCK_DGRAM)];
    const fds = [one.fd, -1, two.fd].map((fd) => ({ fd, events: POLLIN }));
    two.peer.tell('x');
    assert.deepEqual(run(sys.poll(fds, -1)), [0, 0, POLLIN]);
  });

  it('knows fds that are not open, and files that are always ready', () => {
    const { sys, run, poll } = box();
    assert.deepEqual(poll(99, POLLIN), [POLLNVAL]);
    const fd = run(sys.open('/dev/null', O_RDONLY));
    assert.deepEqual(poll(fd, POLLIN | POLLOUT), [POLLIN | POLLOUT]);
    const many = Array.from({ length: 1025 }, () => ({ fd: -1, events: 0 }));
    assert.equal(run(sys.poll(many, 0)), -EINVAL);
  });

  it('gives its references back', () => {
    const { open, sys, run, poll, kernel, net } = box();
    const { fd } = open(SOCK_STREAM);
    poll(fd, POLLIN, 5);
    run(sys.close(fd));
    assert.equal(kernel.openFiles().length, 0);
    assert.equal(net.peers[0]!.closed, true);
  });
});
