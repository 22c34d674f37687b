/** The door of `teebox serve`, from who keeps to its protocol and who does not. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { MemorySnapshot } from '../box/memory-snapshot.ts';
import { FdSockets } from './fd-passing.ts';
import { ProgramServer, encodeLine } from './program-server.ts';
import type { ToServer } from './program-server.ts';
import type { Supervisor } from './supervisor.ts';
import { openFds, supervise, unavailable } from './testing/supervise.ts';

const directory = mkdtempSync(join(tmpdir(), 'teebox-server-'));
after(() => rmSync(directory, { recursive: true }));

const request = (...argv: string[]) => ({ argv, cwd: '/', env: {} });

/** A server, and those who talk to it. */
class Door {
  readonly supervisor: Supervisor;
  readonly sockets: FdSockets;
  readonly path = join(directory, 'socket');
  readonly #server: ProgramServer;

  private constructor(supervisor: Supervisor, memory?: () => MemorySnapshot) {
    this.supervisor = supervisor;
    this.sockets = new FdSockets(supervisor.libc, supervisor.arch);
    this.#server = new ProgramServer(supervisor, this.path, memory);
  }

  static async open(memory?: () => MemorySnapshot): Promise<Door> {
    return new Door(await supervise(), memory);
  }

  /** A connection over which these have been sent, the fds beside the first. */
  caller(messages: readonly ToServer[], fds: readonly number[] = [0, 1, 2]): number {
    const caller = this.sockets.connect(this.path);
    this.sockets.send(caller, Buffer.concat(messages.map((one) => encodeLine(one))), fds);
    return caller;
  }

  /** What comes over a connection until there is enough of it, or its end. */
  async answers(caller: number, isAll: (text: string) => boolean): Promise<string> {
    let text = '';
    let hasEnded = false;
    await this.supervisor.run(() => {
      const received = this.sockets.receive(caller);
      text += Buffer.from(received?.bytes ?? []).toString();
      hasEnded = received?.bytes.length === 0;
      return hasEnded || isAll(text);
    });
    return text;
  }

  async close(): Promise<void> {
    this.#server.close();
    await this.supervisor.close();
  }
}

const hasExit = (text: string): boolean => text.includes('exit');
const skip = (await unavailable()) ?? false;

describe('the program server', { skip }, () => {
  it('takes requests in pieces and signals together', async () => {
    const before = openFds();
    const door = await Door.open();
    const { supervisor, sockets } = door;
    const output = openSync(join(directory, 'output'), 'w');
    // More than the kernel puts into one buffer of a stream.
    const env = { LARGE: 'x'.repeat(60_000) };
    const script = 'trap "echo got; exit 7" TERM; echo ${#LARGE}; while :; do sleep 0.01; done';
    const caller = door.caller([{ ...request('/bin/sh', '-c', script), env }], [0, output, output]);
    const written = (): string => readFileSync(join(directory, 'output'), 'utf8');
    await supervisor.run(() => written() === '60000\n');
    const signals = [{ signal: 'SIGCONT' }, { signal: 'SIGTERM' }] as const;
    sockets.send(caller, Buffer.concat(signals.map((signal) => encodeLine(signal))), []);
    const answers = await door.answers(caller, hasExit);
    assert.equal(written(), '60000\ngot\n');
    assert.match(answers, /^\{"pid":\d+\}\n\{"exit":\{"code":7,"signal":null\}\}\n$/);
    for (const fd of [caller, output]) closeSync(fd);
    await door.close();
    assert.equal(openFds(), before);
  });

  it('keeps signals for a program that is being started', async () => {
    const door = await Door.open();
    const caller = door.caller([request('/bin/sleep', '60'), { signal: 'SIGTERM' }]);
    const answers = await door.answers(caller, hasExit);
    assert.match(answers, /^\{"pid":\d+\}\n\{"exit":\{"code":null,"signal":"SIGTERM"\}\}\n$/);
    closeSync(caller);
    await door.close();
  });

  it('closes what came beside a request, whatever becomes of it', async () => {
    const before = openFds();
    const door = await Door.open();
    for (const fds of [[], [0], [0, 1], [0, 1, 2], [0, 1, 2, 2, 2]]) {
      for (const program of ['/bin/true', '/no/such/program']) {
        const caller = door.caller([request(program)], fds);
        const answers = await door.answers(caller, (text) => /exit|error/.test(text));
        const expected =
          fds.length < 3 ? /three fds/ : program === '/bin/true' ? /"code":0/ : /ENOENT/;
        assert.match(answers, expected);
        closeSync(caller);
      }
    }
    await door.close();
    assert.equal(openFds(), before);
  });

  it('starts nothing for who has gone, and serves the next', async () => {
    const before = openFds();
    const door = await Door.open();
    closeSync(door.caller([{ inspect: 'memory' }, request('/bin/sleep', '60')]));
    const caller = door.caller([request('/bin/sh', '-c', 'exit 7')]);
    assert.match(await door.answers(caller, hasExit), /"code":7/);
    await door.supervisor.run(() => door.supervisor.pids.length === 0);
    closeSync(caller);
    await door.close();
    assert.equal(openFds(), before);
  });

  it('starts one program for each connection', async () => {
    const door = await Door.open();
    const sleeps = request('/bin/sleep', '60');
    const caller = door.caller([sleeps, sleeps], [0, 1, 2]);
    const answers = await door.answers(caller, (text) => /pid/.test(text) && /error/.test(text));
    assert.match(answers, /three fds are needed/);
    door.sockets.send(caller, encodeLine(sleeps), [0, 1, 2]);
    const isRefused = (text: string): boolean => text.includes('error');
    assert.match(await door.answers(caller, isRefused), /one program for each connection/);
    closeSync(caller);
    await door.supervisor.run(() => door.supervisor.pids.length === 0);
    await door.close();
  });

  it('waits for nobody who does not read', async () => {
    const large = { text: 'x'.repeat(50_000) } as unknown as MemorySnapshot;
    const door = await Door.open(() => large);
    const inspections = Array.from({ length: 20 }, () => ({ inspect: 'memory' }) as const);
    const slow = door.caller(inspections, []);
    const caller = door.caller([request('/bin/sh', '-c', 'exit 7')]);
    assert.match(await door.answers(caller, hasExit), /"code":7/);
    const expected = Buffer.from(encodeLine({ memory: large }))
      .toString()
      .repeat(20);
    assert.equal(await door.answers(slow, (text) => text.length >= expected.length), expected);
    for (const fd of [slow, caller]) closeSync(fd);
    await door.close();
  });

  it('drops who sends something else', async () => {
    const door = await Door.open();
    const wrong = ['hello\n', '{"signal":"SIGNOTHING"}\n', '{"argv":[],"cwd":"/","env":{}}\n'];
    for (const text of wrong) {
      const caller = door.sockets.connect(door.path);
      door.sockets.send(caller, Buffer.from(text), [0, 1, 2]);
      assert.equal(await door.answers(caller, () => false), '', text);
      closeSync(caller);
    }
    assert.throws(() => new ProgramServer(door.supervisor, door.path), /EADDRINUSE/);
    await door.close();
  });
});
