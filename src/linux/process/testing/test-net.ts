/** For tests: a network in the box's own time, with servers that a test plays. */
import type {
  HostAddress,
  HostEndpoint,
  HostNet,
  HostSocket,
  HostSocketEvents,
} from '../../../host/net.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';

const LATENCY_NS = 1000;
const LOCAL_PORT = 40000;

/** The far end of a socket. */
export class TestPeer implements HostSocket {
  readonly received: Uint8Array[] = [];
  endpoint: HostEndpoint;
  ended = false;
  closed = false;
  paused = false;
  /** What was sent stays unconfirmed. */
  holds = false;
  readonly #net: TestNet;
  readonly #events: HostSocketEvents;
  readonly #held: (() => void)[] = [];

  constructor(net: TestNet, endpoint: HostEndpoint, events: HostSocketEvents) {
    this.#net = net;
    this.endpoint = endpoint;
    this.#events = events;
    this.#connect();
  }

  // --- what the test does
  get text(): string {
    return this.received.map((bytes) => new TextDecoder().decode(bytes)).join('');
  }
  tell(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    this.#net.later(() => this.#unlessClosed(() => this.#events.data(bytes)));
  }
  finish(): void {
    this.#net.later(() => this.#unlessClosed(() => this.#events.ended()));
  }
  fail(code: string): void {
    this.#net.later(() => this.#unlessClosed(() => this.#events.failed(code)));
  }
  confirm(): void {
    this.holds = false;
    for (const sent of this.#held.splice(0)) this.#net.later(sent);
  }

  // --- what the kernel does
  send(data: Uint8Array, sent: () => void): void {
    this.received.push(data.slice());
    if (this.holds) this.#held.push(sent);
    else this.#net.later(sent);
  }
  reconnect(peer: HostEndpoint): void {
    this.endpoint = peer;
    this.#connect();
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  end(): void {
    this.ended = true;
  }
  close(): void {
    this.closed = true;
  }

  #connect(): void {
    const { address, family, port } = this.endpoint;
    const failure = this.#net.failures.get(address) ?? this.#net.failures.get(`:${port}`);
    if (failure === 'none') return;
    const local: HostEndpoint = {
      family,
      address: family === 6 ? '::1' : '127.0.0.1',
      port: LOCAL_PORT,
    };
    this.#net.later(() =>
      this.#unlessClosed(() =>
        failure === undefined ? this.#events.connected(local) : this.#events.failed(failure),
      ),
    );
  }

  #unlessClosed(event: () => void): void {
    if (!this.closed) event();
  }
}

export class TestNet implements HostNet {
  /** Set once there is a box. */
  sched: Scheduler | undefined;
  readonly names = new Map<string, readonly HostAddress[]>();
  /** Errno names by address or `:port`; `none` for an attempt that never ends. */
  readonly failures = new Map<string, string>();
  readonly peers: TestPeer[] = [];

  resolve(
    host: string,
    family: 0 | 4 | 6,
    found: (addresses: readonly HostAddress[]) => void,
  ): void {
    const all = this.names.get(host) ?? [];
    this.later(() => found(all.filter((one) => family === 0 || one.family === family)));
  }

  connect(_kind: 'stream' | 'datagram', peer: HostEndpoint, events: HostSocketEvents): TestPeer {
    const made = new TestPeer(this, peer, events);
    this.peers.push(made);
    return made;
  }

  close(): void {
    for (const peer of this.peers) peer.close();
  }

  later(fn: () => void): void {
    this.sched!.addTimer(LATENCY_NS, fn);
  }
}
