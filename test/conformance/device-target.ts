/**
 * A real device as a target of the conformance specs: TEE_DEVICE names it, TEE_PRIV_DEVICE its
 * privileged sister. Processes are agents (`device-agent.ts`), so that one can block or be killed.
 * TEE_RELEASE says what kernel it is where `uname -r` does not; TEE_PROBE_TA=1 that it has the TA of
 * `probe-ta.ts`.
 *
 * What was run, on what, and how to do it again: docs/conformance-device.md.
 */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { AgentCall, AgentHello, AgentReply } from './agent-protocol.ts';
import type { Cred, MapRequest, Need, TeeProcess, TeeTarget } from './target.ts';

const AGENT = fileURLToPath(new URL('device-agent.ts', import.meta.url));
/** Everybody may read and write. */
const WORLD_RW = 0o006;

/** The other end of an agent. */
class Agent {
  readonly pid: number;
  readonly #socket: Socket;
  readonly #waiting: { resolve(reply: AgentReply): void; reject(error: Error): void }[] = [];

  constructor(pid: number, socket: Socket, lines: AsyncIterator<string>) {
    this.pid = pid;
    this.#socket = socket;
    void this.#listen(lines);
  }

  /** Rejects when the agent ends first. */
  ask(call: AgentCall): Promise<AgentReply> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(this.#gone());
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify(call)}\n`);
    });
  }

  /** One that is killed may leave the socket with a call unread, or an answer unsent. */
  async #listen(lines: AsyncIterator<string>): Promise<void> {
    try {
      for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
        this.#waiting.shift()?.resolve(JSON.parse(line.value) as AgentReply);
      }
    } catch {
      // EPIPE, ECONNRESET: its end, as any other.
    }
    for (const { reject } of this.#waiting.splice(0)) reject(this.#gone());
  }

  #gone(): Error {
    return new Error(`process ${this.pid} has ended`);
  }

  /** Kills it. Its files are closed when its end of the socket is. */
  async end(): Promise<void> {
    if (this.#socket.closed) return;
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    process.kill(this.pid, 'SIGKILL');
    await closed;
  }
}

/** Agents that have been started and those that have come. */
class Switchboard {
  readonly #directory = mkdtempSync(join(tmpdir(), 'teebox-conformance-'));
  readonly #server: Server;
  readonly #expected = new Map<string, (agent: Agent) => void>();
  readonly #agents = new Set<Agent>();
  #tokens = 0;

  constructor() {
    this.#server = createServer((socket) => void this.#greet(socket));
    this.#server.listen(this.path);
    this.#server.unref();
    process.on('exit', () => this.#clear());
  }

  get path(): string {
    return join(this.#directory, 'socket');
  }

  /** An agent that `start` starts with a token. */
  expect(start: (token: string) => void): Promise<Agent> {
    const token = `${++this.#tokens}`;
    return new Promise((resolve) => {
      this.#expected.set(token, resolve);
      start(token);
    });
  }

  async #greet(socket: Socket): Promise<void> {
    socket.on('error', () => {});
    const lines = createInterface(socket)[Symbol.asyncIterator]();
    const hello = await lines.next().catch(() => undefined);
    if (hello?.value === undefined) return;
    const { token, pid } = JSON.parse(hello.value) as AgentHello;
    const agent = new Agent(pid, socket, lines);
    this.#agents.add(agent);
    socket.once('close', () => this.#agents.delete(agent));
    this.#expected.get(token)?.(agent);
    this.#expected.delete(token);
  }

  /** Those that hang in a call do not see that the socket has gone. */
  #clear(): void {
    for (const { pid } of this.#agents) process.kill(pid, 'SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

class DeviceProcess implements TeeProcess {
  readonly #agent: Agent;
  readonly #board: Switchboard;

  constructor(agent: Agent, board: Switchboard) {
    this.#agent = agent;
    this.#board = board;
  }

  open(path: string): Promise<number> {
    return this.#number({ op: 'open', path });
  }
  close(fd: number): Promise<number> {
    return this.#number({ op: 'call', name: 'close', args: [fd] });
  }
  dup(fd: number): Promise<number> {
    return this.#number({ op: 'call', name: 'dup', args: [fd] });
  }
  ioctl(fd: number, cmd: number, arg: number): Promise<number> {
    return this.#number({ op: 'call', name: 'ioctl', args: [fd, cmd, arg] });
  }
  mmap({ length, prot, flags, fd = -1, offset = 0 }: MapRequest): Promise<number> {
    return this.#number({ op: 'mmap', length, prot, flags, fd, offset });
  }
  munmap(at: number, length: number): Promise<number> {
    return this.#number({ op: 'call', name: 'munmap', args: [at, length] });
  }
  mprotect(at: number, length: number, prot: number): Promise<number> {
    return this.#number({ op: 'call', name: 'mprotect', args: [at, length, prot] });
  }
  read(fd: number, at: number, count: number): Promise<number> {
    return this.#number({ op: 'call', name: 'read', args: [fd, at, count] });
  }
  async peek(at: number, length: number): Promise<Uint8Array> {
    const { result } = await this.#agent.ask({ op: 'peek', at, length });
    return Uint8Array.from(Buffer.from(String(result), 'hex'));
  }
  async poke(at: number, bytes: Uint8Array): Promise<void> {
    await this.#agent.ask({ op: 'poke', at, hex: Buffer.from(bytes).toString('hex') });
  }
  async heir(): Promise<TeeProcess> {
    const agent = await this.#board.expect((token) => {
      this.#agent.ask({ op: 'heir', token }).catch(() => {});
    });
    return new DeviceProcess(agent, this.#board);
  }
  exit(): Promise<void> {
    return this.#agent.end();
  }

  async #number(call: AgentCall): Promise<number> {
    return Number((await this.#agent.ask(call)).result);
  }
}

export class DeviceTarget implements TeeTarget {
  readonly client: string;
  readonly privileged: string | undefined;
  readonly release: string;
  readonly isHardened = false;
  readonly #hasProbeTa: boolean;
  readonly #board = new Switchboard();

  /** @param client path of the device. */
  constructor(client: string, env: Readonly<Record<string, string | undefined>>) {
    this.client = client;
    this.privileged = env['TEE_PRIV_DEVICE'];
    this.release = env['TEE_RELEASE'] ?? release();
    this.#hasProbeTa = env['TEE_PROBE_TA'] === '1';
  }

  get name(): string {
    return `${this.client}, Linux ${this.release}`;
  }

  lacks(need: Need): string | undefined {
    switch (need) {
      case 'privileged':
        return this.privileged === undefined ? 'TEE_PRIV_DEVICE is not set' : undefined;
      case 'example TAs':
        if (this.#hasProbeTa || this.privileged === undefined) return undefined;
        return 'TAs are loaded by a supplicant, and TEE_PRIV_DEVICE says that there is none';
      case 'probe TA':
        return this.#hasProbeTa ? undefined : 'TEE_PROBE_TA is not set';
      case 'users': {
        const open = (statSync(this.client).mode & WORLD_RW) === WORLD_RW;
        return process.getuid?.() === 0 && open ? undefined : 'other users cannot open the device';
      }
    }
  }

  async process(cred?: Cred): Promise<TeeProcess> {
    const rights = cred === undefined ? [] : [JSON.stringify(cred)];
    const agent = await this.#board.expect((token) => {
      spawn(process.execPath, [AGENT, this.#board.path, token, ...rights], {
        stdio: ['ignore', 'inherit', 'inherit'],
      }).unref();
    });
    return new DeviceProcess(agent, this.#board);
  }

  async readFile(path: string): Promise<string | undefined> {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  }

  /** A kernel does not tell. */
  async leftovers(): Promise<readonly string[]> {
    return [];
  }
}
