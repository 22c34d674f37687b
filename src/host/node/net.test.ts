/** On the loopback interface only. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, it } from 'node:test';
import type { HostAddress, HostEndpoint, HostSocketEvents } from '../net.ts';
import { NodeNet } from './net.ts';

/** Events as they come, and a way to wait for the next one. */
class Recorder implements HostSocketEvents {
  readonly seen: string[] = [];
  #waiting: (() => void)[] = [];

  connected(local: HostEndpoint): void {
    this.#add(`connected ${local.address}`);
  }
  data(bytes: Uint8Array): void {
    this.#add(`data ${new TextDecoder().decode(bytes)}`);
  }
  ended(): void {
    this.#add('ended');
  }
  failed(code: string): void {
    this.#add(`failed ${code}`);
  }

  async until(count: number): Promise<readonly string[]> {
    while (this.seen.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.seen;
  }

  #add(event: string): void {
    this.seen.push(event);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const at = (port: number): HostEndpoint => ({ family: 4, address: '127.0.0.1', port });

async function echoServer() {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

async function echoDatagrams() {
  const server = createSocket('udp4');
  server.on('message', (data, from) => server.send(data, from.port, from.address));
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: server.address().port };
}

describe('streams', () => {
  it('connect, send, receive, and end each way', async () => {
    const { server, port } = await echoServer();
    const events = new Recorder();
    const socket = new NodeNet().connect('stream', at(port), events);
    assert.deepEqual(events.seen, [], 'nothing is told before connect() has returned');
    await events.until(1);
    const sent = new Promise<void>((resolve) => socket.send(bytes('hello'), resolve));
    await sent;
    await events.until(2);
    socket.end();
    assert.deepEqual(await events.until(3), ['connected 127.0.0.1', 'data hello', 'ended']);
    socket.close();
    server.close();
    await once(server, 'close');
  });

  it('wait while they are paused', async () => {
    const { server, port } = await echoServer();
    const events = new Recorder();
    const socket = new NodeNet().connect('stream', at(port), events);
    await events.until(1);
    socket.pause();
    await new Promise<void>((resolve) => socket.send(bytes('x'), resolve));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(events.seen.length, 1);
    socket.resume();
    assert.equal((await events.until(2))[1], 'data x');
    socket.close();
    server.close();
  });

  it('fail where nobody listens', async () => {
    const { server, port } = await echoServer();
    server.close();
    await once(server, 'close');
    const events = new Recorder();
    new NodeNet().connect('stream', at(port), events);
    assert.deepEqual(await events.until(1), ['failed ECONNREFUSED']);
  });

  it('that are closed before they stand tell nothing, and do not come to stand', async () => {
    const { server, port } = await echoServer();
    server.on('connection', () => assert.fail('a connection'));
    const net = new NodeNet();
    const events = new Recorder();
    net.connect('stream', at(port), events);
    net.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(events.seen, []);
    server.close();
    await once(server, 'close');
  });
});

describe('what a stream has sent before it was closed', () => {
  const BYTES = 16e6;

  /** Bytes that a server receives which takes nothing for a while, and then a piece at a time. */
  async function received(silentMs: number, pieceMs: number): Promise<number> {
    const server = createServer({ pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const events = new Recorder();
    const net = new NodeNet({ lingerMs: 400 });
    const { port } = server.address() as AddressInfo;
    const [[peer]] = (await Promise.all([
      once(server, 'connection'),
      Promise.resolve(net.connect('stream', at(port), events)).then(async (socket) => {
        await events.until(1);
        socket.send(new Uint8Array(BYTES), () => {});
        socket.close();
      }),
    ])) as unknown as [[Socket]];
    let count = 0;
    const ended = new Promise<void>((resolve) => peer.on('close', () => resolve()));
    peer.on('error', () => {});
    peer.on('data', (piece) => {
      count += piece.length;
      if (pieceMs === 0) return;
      peer.pause();
      setTimeout(() => peer.resume(), pieceMs);
    });
    peer.pause();
    setTimeout(() => peer.resume(), silentMs);
    await ended;
    server.close();
    return count;
  }

  it('arrives at a peer that takes its time', async () => {
    assert.equal(await received(0, 1), BYTES);
  });

  it('is lost with a peer that takes nothing, for whom nobody waits', async () => {
    assert.ok((await received(1200, 0)) < BYTES);
  });
});

describe('datagrams', () => {
  it('go to their peer and come from it, and to another one then', async () => {
    const servers = [await echoDatagrams(), await echoDatagrams()];
    const events = new Recorder();
    const socket = new NodeNet().connect('datagram', at(servers[0]!.port), events);
    await events.until(1);
    for (const [n, text] of ['one', 'two'].entries()) {
      if (n > 0) {
        socket.reconnect(at(servers[n]!.port));
        await events.until(3);
      }
      await new Promise<void>((resolve) => socket.send(bytes(text), resolve));
      await events.until(2 + 2 * n);
    }
    assert.deepEqual(
      events.seen.filter((event) => event.startsWith('data')),
      ['data one', 'data two'],
    );
    socket.send(bytes('three'), () => {});
    socket.close();
    socket.close();
    for (const { server } of servers) server.close();
  });

  it('fail where nobody listens', async () => {
    const { server, port } = await echoDatagrams();
    server.close();
    await once(server, 'close');
    const events = new Recorder();
    const socket = new NodeNet().connect('datagram', at(port), events);
    await events.until(1);
    socket.send(bytes('x'), () => {});
    assert.equal((await events.until(2))[1], 'failed ECONNREFUSED');
    socket.close();
  });

  /** Datagrams to everybody take a right that nobody here asks for. */
  const BROADCAST: HostEndpoint = { family: 4, address: '255.255.255.255', port: 9 };

  it('keep their peer when another cannot be had, however often', async () => {
    const { server, port } = await echoDatagrams();
    const events = new Recorder();
    const socket = new NodeNet().connect('datagram', at(port), events);
    await events.until(1);
    for (const n of [2, 3]) {
      socket.reconnect(BROADCAST);
      assert.equal((await events.until(n))[n - 1], 'failed EACCES');
    }
    socket.send(bytes('x'), () => {});
    assert.equal((await events.until(4))[3], 'data x');
    socket.close();
    server.close();
  });

  it('that never had a peer send nothing, and may still find one', async () => {
    const { server, port } = await echoDatagrams();
    const events = new Recorder();
    const socket = new NodeNet().connect('datagram', BROADCAST, events);
    await events.until(1);
    await new Promise<void>((resolve) => socket.send(bytes('lost'), resolve));
    socket.reconnect(at(port));
    await events.until(2);
    socket.send(bytes('x'), () => {});
    assert.deepEqual(await events.until(3), ['failed EACCES', 'connected 127.0.0.1', 'data x']);
    socket.close();
    server.close();
  });
});

describe('names', () => {
  const resolve = (host: string, family: 0 | 4 | 6): Promise<readonly HostAddress[]> =>
    new Promise((found) => new NodeNet().resolve(host, family, found));

  it('numeric ones are themselves, if the family fits', async () => {
    assert.deepEqual(await resolve('127.0.0.1', 0), [{ family: 4, address: '127.0.0.1' }]);
    assert.deepEqual(await resolve('::1', 6), [{ family: 6, address: '::1' }]);
    assert.deepEqual(await resolve('::1', 4), []);
  });

  it('localhost has an address, nonsense has none', async () => {
    assert.deepEqual(await resolve('localhost', 4), [{ family: 4, address: '127.0.0.1' }]);
    assert.deepEqual(await resolve('no.such.host.invalid', 0), []);
    assert.deepEqual(await resolve('', 0), []);
  });
});
