/** On the loopback interface only. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
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

  it('tell nothing once they are closed', async () => {
    const { server, port } = await echoServer();
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
