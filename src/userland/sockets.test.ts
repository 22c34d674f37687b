/** Sockets of a TA, through the socket PTA and tee-supplicant, to servers that the test plays. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { TEE_ERROR_BAD_PARAMETERS, TEE_ERROR_COMMUNICATION, TEE_SUCCESS } from '../abi/gp.ts';
import {
  TEE_IP_VERSION_4,
  TEE_IP_VERSION_6,
  TEE_ISOCKET_ERROR_HOSTNAME,
  TEE_ISOCKET_ERROR_PROTOCOL,
  TEE_ISOCKET_ERROR_TIMEOUT,
  TEE_TCP_SET_RECVBUF,
  TEE_TCP_SET_SENDBUF,
  TEE_UDP_CHANGEADDR,
  TEE_UDP_CHANGEPORT,
} from '../abi/gp-socket.ts';
import { BootError, Box } from '../box/box.ts';
import type { BoxOptions } from '../box/box.ts';
import { nodeHost } from '../host/node/host.ts';
import type { LoopbackServer } from '../linux/process/loopback-socket.ts';
import type { Cause } from '../trace/events.ts';
import { consoleLine } from '../trace/export/console.ts';
import { runInTa } from './testing/script-ta.ts';
import type { Script } from './testing/script-ta.ts';
import { TaSocket } from './testing/ta-socket.ts';

/** Runs one script in a box that `prepare` has readied; returns what it ended with. */
async function inTa(
  script: Script,
  prepare: (box: Box) => void = () => {},
  options: BoxOptions = {},
): Promise<{ readonly cause: Cause | undefined; readonly seconds: number }> {
  const end = { cause: undefined as Cause | undefined, seconds: 0 };
  await runInTa(script, {
    options,
    prepare,
    inspect({ trace, sched }) {
      end.cause = trace.lastCause;
      end.seconds = sched.nowNs() / 1e9;
    },
  });
  return end;
}

const ECHO: LoopbackServer = { data: (peer, bytes) => peer.send(bytes) };
const echo =
  (kind: 'stream' | 'datagram', port = 7) =>
  (box: Box) => {
    box.loopback.listen(kind, port, ECHO);
  };

describe('TCP sockets of a TA', () => {
  it('send and receive', async () => {
    const seen: string[] = [];
    await inTa(
      async (tee) => {
        const socket = new TaSocket(tee.TEE_tcpSocket);
        assert.deepEqual(await socket.open('127.0.0.1', 7), [TEE_SUCCESS, TEE_SUCCESS]);
        assert.deepEqual(await socket.send('hello'), [TEE_SUCCESS, 5]);
        assert.deepEqual(await socket.recv(3), [TEE_SUCCESS, 'hel', 3]);
        assert.deepEqual(await socket.recv(9), [TEE_SUCCESS, 'lo', 2]);
        assert.equal(socket.error, TEE_SUCCESS);
        assert.equal(await socket.close(), TEE_SUCCESS);
      },
      (box) => {
        box.loopback.listen('stream', 7, {
          connected: ({ remote }) => seen.push(`from ${remote.address}`),
          data(peer, bytes) {
            seen.push(new TextDecoder().decode(bytes));
            peer.send(bytes);
          },
          ended: () => seen.push('ended'),
        });
      },
    );
    assert.deepEqual(seen, ['from 127.0.0.1', 'hello', 'ended']);
  });

  it('find a host by its name, and try its addresses in order', async () => {
    await inTa(async (tee) => {
      const socket = new TaSocket(tee.TEE_tcpSocket);
      // ::1 refuses, 127.0.0.1 listens.
      assert.deepEqual(await socket.open('localhost', 7), [TEE_SUCCESS, TEE_SUCCESS]);
      await socket.close();
      const [refused] = await socket.open('localhost', 7, TEE_IP_VERSION_6);
      assert.equal(refused, TEE_ERROR_COMMUNICATION);
      assert.equal((await socket.open('localhost', 7, TEE_IP_VERSION_4))[0], TEE_SUCCESS);
      await socket.close();
    }, echo('stream'));
  });

  it('fail where nobody listens, at a name of nobody, and outside of the box', async () => {
    const { cause } = await inTa(async (tee) => {
      const socket = new TaSocket(tee.TEE_tcpSocket);
      assert.equal((await socket.open('127.0.0.1', 8))[0], TEE_ERROR_COMMUNICATION);
      assert.deepEqual(await socket.open('nobody.example', 7), [
        TEE_ISOCKET_ERROR_PROTOCOL,
        TEE_ISOCKET_ERROR_HOSTNAME,
      ]);
      assert.equal((await socket.open('192.0.2.1', 7))[0], TEE_ERROR_COMMUNICATION);
    }, echo('stream'));
    assert.match(cause?.text ?? '', /no way to 192\.0\.2\.1: this box is alone/);
    assert.match(cause?.hint ?? '', /box\.loopback\.listen/);
  });

  it('time out while they connect, after two minutes of the box', async () => {
    const { seconds } = await inTa(
      async (tee) => {
        const socket = new TaSocket(tee.TEE_tcpSocket);
        assert.equal((await socket.open('192.0.2.1', 7))[0], TEE_ISOCKET_ERROR_TIMEOUT);
      },
      ({ loopback }) => loopback.silence('192.0.2.1'),
    );
    assert.equal(Math.floor(seconds), 127);
  });

  it('time out while they receive', async () => {
    const { seconds } = await inTa(async (tee) => {
      const socket = new TaSocket(tee.TEE_tcpSocket);
      await socket.open('127.0.0.1', 7);
      const [result] = await socket.recv(9, 1500);
      assert.deepEqual(
        [result, socket.error],
        [TEE_ISOCKET_ERROR_TIMEOUT, TEE_ISOCKET_ERROR_TIMEOUT],
      );
      assert.equal((await socket.recv(9, 0))[0], TEE_ISOCKET_ERROR_TIMEOUT);
      await socket.close();
    }, echo('stream'));
    assert.equal(seconds.toFixed(1), '1.5');
  });

  it('time out while they send to somebody who takes nothing', async () => {
    let taken = 0;
    await inTa(
      async (tee) => {
        const socket = new TaSocket(tee.TEE_tcpSocket);
        await socket.open('127.0.0.1', 7);
        const text = 'x'.repeat(9000);
        assert.deepEqual(await socket.send(text), [TEE_SUCCESS, 9000]);
        // What the send buffer has room for.
        assert.deepEqual(await socket.send(text), [TEE_SUCCESS, 7384]);
        const full = await socket.send(text, 100);
        assert.equal(full[0], TEE_ISOCKET_ERROR_TIMEOUT);
        // The server goes on after a second.
        assert.deepEqual(await socket.send(text, 2000), [TEE_SUCCESS, 9000]);
        await socket.close();
      },
      ({ loopback, sched }) => {
        loopback.listen('stream', 7, {
          connected(peer) {
            peer.pause();
            sched.addTimer(1e9, () => peer.resume());
          },
          data: (_peer, bytes) => (taken += bytes.length),
        });
      },
    );
    assert.equal(taken, 9000 + 7384 + 9000);
  });

  it('see the end of a stream, and a broken one', async () => {
    await inTa(
      async (tee) => {
        const socket = new TaSocket(tee.TEE_tcpSocket);
        await socket.open('127.0.0.1', 7);
        assert.deepEqual(await socket.recv(9), [TEE_SUCCESS, 'bye', 3]);
        assert.deepEqual(await socket.recv(9), [TEE_SUCCESS, '', 0]);
        await socket.close();
        await socket.open('127.0.0.1', 9);
        assert.equal((await socket.recv(9))[0], TEE_ERROR_BAD_PARAMETERS, 'ECONNRESET');
        await socket.close();
      },
      ({ loopback }) => {
        loopback.listen('stream', 7, {
          connected(peer) {
            peer.send('bye');
            peer.end();
          },
        });
        loopback.listen('stream', 9, { connected: (peer) => peer.reset() });
      },
    );
  });

  it('have buffers whose size can be set', async () => {
    await inTa(async (tee) => {
      const socket = new TaSocket(tee.TEE_tcpSocket);
      await socket.open('127.0.0.1', 7);
      const size = new Uint8Array(Uint32Array.of(8192).buffer);
      assert.equal(await socket.ioctl(TEE_TCP_SET_RECVBUF, size), TEE_SUCCESS);
      assert.equal(await socket.ioctl(TEE_TCP_SET_SENDBUF, size), TEE_SUCCESS);
      assert.equal(
        await socket.ioctl(TEE_TCP_SET_RECVBUF, size.subarray(0, 2)),
        TEE_ERROR_BAD_PARAMETERS,
      );
      await socket.close();
    }, echo('stream'));
  });

  it('take more than the buffers hold', async () => {
    const text = 'abcdefgh'.repeat(40_000);
    await inTa(
      async (tee) => {
        const socket = new TaSocket(tee.TEE_tcpSocket);
        await socket.open('127.0.0.1', 7);
        let got = '';
        while (got.length < text.length) got += (await socket.recv(8192))[1];
        assert.equal(got, text);
        await socket.close();
      },
      ({ loopback }) => {
        loopback.listen('stream', 7, {
          connected(peer) {
            for (let at = 0; at < text.length; at += 16_000) {
              peer.send(text.slice(at, at + 16_000));
            }
            peer.end();
          },
        });
      },
    );
  });

  it('of a TA that leaves them open are closed with its session', async () => {
    let ended = 0;
    await inTa(
      async (tee) => {
        await new TaSocket(tee.TEE_tcpSocket).open('127.0.0.1', 7);
        await new TaSocket(tee.TEE_tcpSocket).open('127.0.0.1', 7);
      },
      ({ loopback }) => loopback.listen('stream', 7, { ended: () => (ended += 1) }),
    );
    assert.equal(ended, 2);
  });

  it('fail where there is no network', async () => {
    const socketFails: Script = async (tee) => {
      const socket = new TaSocket(tee.TEE_tcpSocket);
      assert.equal((await socket.open('127.0.0.1', 7))[0], TEE_ERROR_COMMUNICATION);
    };
    const { cause } = await inTa(socketFails, echo('stream'), { net: 'none' });
    assert.match(cause?.text ?? '', /this box has no network/);
  });
});

describe('UDP sockets of a TA', () => {
  it('send and receive datagrams', async () => {
    await inTa(async (tee) => {
      const socket = new TaSocket(tee.TEE_udpSocket);
      assert.deepEqual(await socket.open('127.0.0.1', 7), [TEE_SUCCESS, TEE_SUCCESS]);
      await socket.send('one');
      await socket.send('three');
      assert.deepEqual(await socket.recv(9), [TEE_SUCCESS, 'one', 3]);
      // A datagram that does not fit is cut, and its length told.
      assert.deepEqual(await socket.recv(2), [TEE_SUCCESS, 'th', 5]);
      assert.equal((await socket.recv(9, 10))[0], TEE_ISOCKET_ERROR_TIMEOUT);
      await socket.close();
    }, echo('datagram'));
  });

  it('fail at the call after the one that nobody took', async () => {
    await inTa(async (tee) => {
      const socket = new TaSocket(tee.TEE_udpSocket);
      assert.equal((await socket.open('127.0.0.1', 8))[0], TEE_SUCCESS);
      assert.deepEqual(await socket.send('lost'), [TEE_SUCCESS, 4]);
      assert.equal((await socket.recv(9, 100))[0], TEE_ERROR_BAD_PARAMETERS, 'ECONNREFUSED');
      assert.equal((await socket.recv(9, 100))[0], TEE_ISOCKET_ERROR_TIMEOUT);
      await socket.close();
    });
  });

  it('change their peer', async () => {
    const port = Uint8Array.of(9, 0);
    await inTa(
      async (tee) => {
        const socket = new TaSocket(tee.TEE_udpSocket);
        await socket.open('127.0.0.1', 7, TEE_IP_VERSION_4);
        assert.equal(await socket.ioctl(TEE_UDP_CHANGEPORT, port), TEE_SUCCESS);
        await socket.send('x');
        assert.deepEqual(await socket.recv(9), [TEE_SUCCESS, 'nine', 4]);
        const address = new TextEncoder().encode('other.example\0');
        assert.equal(await socket.ioctl(TEE_UDP_CHANGEADDR, address), TEE_SUCCESS);
        await socket.send('x');
        assert.deepEqual(await socket.recv(9), [TEE_SUCCESS, 'other', 5]);
        const nobody = new TextEncoder().encode('nobody.example\0');
        assert.equal(await socket.ioctl(TEE_UDP_CHANGEADDR, nobody), TEE_ISOCKET_ERROR_HOSTNAME);
        await socket.close();
      },
      ({ loopback }) => {
        loopback.listen('datagram', 7, ECHO);
        loopback.listen('datagram', 9, { data: (peer) => peer.send('nine') });
        loopback.listen('datagram', 9, { data: (peer) => peer.send('other') }, '192.0.2.7');
        loopback.name('other.example', '192.0.2.7');
      },
    );
  });

  it('to an address that is silent get nothing', async () => {
    await inTa(
      async (tee) => {
        const socket = new TaSocket(tee.TEE_udpSocket);
        assert.equal((await socket.open('192.0.2.1', 7))[0], TEE_SUCCESS);
        await socket.send('x');
        assert.equal((await socket.recv(9, 100))[0], TEE_ISOCKET_ERROR_TIMEOUT);
        await socket.close();
      },
      ({ loopback }) => loopback.silence('192.0.2.1'),
    );
  });
});

/** One box, two TA instances that talk to the same server. */
async function twoAtOnce(seed: number): Promise<string> {
  const talk =
    (text: string): Script =>
    async (tee) => {
      const socket = new TaSocket(tee.TEE_tcpSocket);
      await socket.open('127.0.0.1', 7);
      for (let n = 0; n < 3; n++) {
        await socket.send(`${text}${n}`);
        assert.equal((await socket.recv(9))[1], `${text}${n}`);
      }
      await socket.close();
    };
  let events = '';
  await runInTa([talk('a'), talk('b')], {
    options: { seed, trace: 'all' },
    prepare: echo('stream'),
    inspect({ trace }) {
      events = [...trace.events()].map((event) => consoleLine(event, String)).join('\n');
    },
  });
  return events;
}

describe('networks of a box', () => {
  it('are part of what a seed decides', async () => {
    const events = await twoAtOnce(1);
    assert.ok(events.includes('poll_schedule_timeout'));
    assert.equal(await twoAtOnce(1), events);
  });

  it('are the host’s in live boxes only, when they ask for it', async () => {
    assert.throws(() => new Box(nodeHost(), { net: 'host' }), BootError);
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const datagrams = createSocket('udp4', (bytes, { port: from, address }) =>
      datagrams.send(bytes, from, address),
    );
    datagrams.bind(0, '127.0.0.1');
    await once(datagrams, 'listening');
    await inTa(
      async (tee) => {
        for (const [api, to] of [
          [tee.TEE_tcpSocket, port],
          [tee.TEE_udpSocket, datagrams.address().port],
        ] as const) {
          const socket = new TaSocket(api);
          assert.deepEqual(await socket.open('127.0.0.1', to), [TEE_SUCCESS, TEE_SUCCESS]);
          await socket.send('hello');
          assert.deepEqual(await socket.recv(9), [TEE_SUCCESS, 'hello', 5]);
          await socket.close();
        }
      },
      undefined,
      { live: true, net: 'host' },
    );
    server.close();
    datagrams.close();
  });

  it('are in memory in live boxes too, unless they ask for another', async () => {
    await inTa(
      async (tee) => {
        const socket = new TaSocket(tee.TEE_tcpSocket);
        await socket.open('127.0.0.1', 7);
        await socket.send('x');
        assert.equal((await socket.recv(9))[1], 'x');
        await socket.close();
        assert.equal((await socket.open('192.0.2.1', 7))[0], TEE_ERROR_COMMUNICATION);
      },
      echo('stream'),
      { live: true },
    );
  });
});
