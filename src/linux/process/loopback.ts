/**
 * The network of a box that is alone: an interface `lo`, and servers that a test plays. It lives in
 * the box's time, so that a run with sockets is a function of its seed. Addresses of nobody but the
 * box are 127.0.0.0/8 and ::1; a test may play servers at other addresses, and name them.
 *
 * Upstream counterpart: drivers/net/loopback.c, and the far ends of connections.
 * Left out: listening by programs of the box, loss, segments: each send arrives whole and in order.
 */
import { numericAddress } from '../../host/net.ts';
import type { HostAddress, HostEndpoint, HostNet, HostSocketEvents } from '../../host/net.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import { LoopbackSocket } from './loopback-socket.ts';
import type { LoopbackServer, SocketKind } from './loopback-socket.ts';

/** One way through `lo`. */
const LATENCY_NS = 1000;
/** net.ipv4.ip_local_port_range */
const FIRST_LOCAL_PORT = 32768;
const LOCAL_PORTS = 28232;

const isOwn = (address: string): boolean => address.startsWith('127.') || address === '::1';

export class LoopbackNet implements HostNet {
  readonly #sched: Scheduler;
  /** By kind, address and port. */
  readonly #servers = new Map<string, LoopbackServer>();
  readonly #names = new Map<string, readonly string[]>([['localhost', ['::1', '127.0.0.1']]]);
  /** Addresses of others that a test plays. */
  readonly #hosts = new Set<string>();
  readonly #silent = new Set<string>();
  readonly #sockets = new Set<LoopbackSocket>();
  #ports = 0;

  constructor(sched: Scheduler) {
    this.#sched = sched;
  }

  // --- what a test does
  /**
   * Plays a server; one that is there is replaced.
   * @param address of any host; 127.0.0.1 without.
   * @returns what ends it for new clients.
   */
  listen(
    kind: SocketKind,
    port: number,
    server: LoopbackServer,
    address = '127.0.0.1',
  ): () => void {
    const key = keyOf(kind, { address, port });
    this.#hosts.add(address);
    this.#servers.set(key, server);
    return () => void this.#servers.delete(key);
  }

  /** Gives a host numeric addresses, in the order in which they are tried; none for none. */
  name(host: string, ...addresses: readonly string[]): void {
    this.#names.set(host, addresses);
  }

  /** Nothing comes back from this address: streams to it time out, datagrams are lost. */
  silence(address: string): void {
    this.#hosts.add(address);
    this.#silent.add(address);
  }

  // --- what the kernel does
  resolve(
    host: string,
    family: 0 | 4 | 6,
    found: (addresses: readonly HostAddress[]) => void,
  ): void {
    const numeric = numericAddress(host);
    const all = numeric === undefined ? this.#named(host) : [numeric];
    this.later(() => found(all.filter((one) => family === 0 || one.family === family)));
  }

  connect(kind: SocketKind, peer: HostEndpoint, events: HostSocketEvents): LoopbackSocket {
    const port = FIRST_LOCAL_PORT + (this.#ports++ % LOCAL_PORTS);
    const socket = new LoopbackSocket(this, kind, port, events);
    this.#sockets.add(socket);
    socket.reconnect(peer);
    return socket;
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  // --- what its sockets ask
  server(kind: SocketKind, peer: HostEndpoint): LoopbackServer | undefined {
    return this.isSilent(peer) ? undefined : this.#servers.get(keyOf(kind, peer));
  }
  isSilent({ address }: HostEndpoint): boolean {
    return this.#silent.has(address);
  }
  hasRoute({ address }: HostEndpoint): boolean {
    if (isOwn(address) || this.#hosts.has(address)) return true;
    this.#sched.trace.cause('linux', {
      layer: 'linux/process',
      code: '-ENETUNREACH',
      text: `no way to ${address}: this box is alone`,
      object: address,
      hint: 'play a server there (`box.loopback.listen`), or boot a live box with `net: "host"`',
    });
    return false;
  }
  later(fn: () => void, delayNs = LATENCY_NS): void {
    this.#sched.addTimer(delayNs, fn);
  }
  gone(socket: LoopbackSocket): void {
    this.#sockets.delete(socket);
  }

  #named(host: string): readonly HostAddress[] {
    const addresses = this.#names.get(host);
    if (addresses !== undefined) {
      return addresses.flatMap((address) => numericAddress(address) ?? []);
    }
    this.#sched.trace.cause('client', {
      layer: 'getaddrinfo',
      code: 'EAI_NONAME',
      text: `no address of ${JSON.stringify(host)}: this box is alone and has no name server`,
      object: host,
      hint: 'name it (`box.loopback.name`), or boot a live box with `net: "host"`',
    });
    return [];
  }
}

const keyOf = (kind: SocketKind, { address, port }: Omit<HostEndpoint, 'family'>): string =>
  `${kind} ${address} ${port}`;
