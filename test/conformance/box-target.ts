/** A box as a target of the conformance specs: one without a supplicant, shared by all of them. */
import { boot } from '../../src/index.ts';
import type { Box, Profile } from '../../src/index.ts';
import { taImageOf } from '../../src/index.ts';
import helloWorld from '../../examples/hello_world/ta.ts';
import random from '../../examples/random/ta.ts';
import { O_RDONLY, O_RDWR } from '../../src/abi/fcntl.ts';
import { va } from '../../src/machine/address.ts';
import type { Program } from '../../src/linux/process/program.ts';
import type { OpteeOsConfig } from '../../src/optee-os/config.ts';
import type { Co } from '../../src/sched/task.ts';
import { heldBy, leftBehind } from '../../src/sim/held.ts';
import type { Held } from '../../src/sim/held.ts';
import probe from './probe-ta.ts';
import { Puppet } from './puppet.ts';
import type { Cred, MapRequest, TeeProcess, TeeTarget } from './target.ts';

const ROOT: Cred = { uid: 0, gid: 0, groups: [] };
const TAS = { helloWorld, random, probe };
/** More than any file in sysfs holds. */
const SYSFS_BYTES = 256;

/** A process of a box, with what only those can do. */
export class BoxProcess implements TeeProcess {
  readonly #puppet: Puppet;

  constructor(puppet: Puppet) {
    this.#puppet = puppet;
  }

  /** @param flags beside O_RDWR. */
  open(path: string, flags = 0): Promise<number> {
    return this.#call(({ sys }) => sys.open(path, O_RDWR | flags));
  }
  close(fd: number): Promise<number> {
    return this.#call(({ sys }) => sys.close(fd));
  }
  dup(fd: number): Promise<number> {
    return this.#call(({ sys }) => sys.dup(fd));
  }
  ioctl(fd: number, cmd: number, arg: number): Promise<number> {
    return this.#call(({ sys }) => sys.ioctl(fd, cmd, va(arg)));
  }
  mmap({ length, prot, flags, fd = -1, offset = 0 }: MapRequest): Promise<number> {
    return this.#call(({ sys }) => sys.mmap(0, length, prot, flags, fd, offset));
  }
  munmap(at: number, length: number): Promise<number> {
    return this.#call(({ sys }) => sys.munmap(at, length));
  }
  mprotect(at: number, length: number, prot: number): Promise<number> {
    return this.#call(({ sys }) => sys.mprotect(at, length, prot));
  }
  read(fd: number, at: number, count: number): Promise<number> {
    return this.#call(({ sys }) => sys.read(fd, va(at), count));
  }
  async peek(at: number, length: number): Promise<Uint8Array> {
    return this.#puppet.program.memory.read(va(at), length);
  }
  async poke(at: number, bytes: Uint8Array): Promise<void> {
    this.#puppet.program.memory.write(va(at), bytes);
  }
  async fork(): Promise<BoxProcess> {
    return new BoxProcess(await this.#puppet.fork());
  }
  exec(): Promise<number> {
    return this.#call(({ sys }) => sys.execve('exec'));
  }
  async heir(): Promise<TeeProcess> {
    const child = await this.fork();
    await child.exec();
    return child;
  }
  async exit(): Promise<void> {
    await this.#puppet.program.exit();
  }

  #call(body: (program: Program) => Co<number>): Promise<number> {
    return this.#puppet.call(body);
  }
}

export class BoxTarget implements TeeTarget {
  readonly client = '/dev/tee0';
  readonly privileged = '/dev/teepriv0';
  readonly box: Box;
  readonly #config: Partial<OpteeOsConfig>;
  readonly #untouched: Held;

  /** @param config where it is not as upstream has it by default. */
  constructor(profile: Profile, config: Partial<OpteeOsConfig> = {}) {
    this.#config = config;
    const tas = Object.entries(TAS).map(([name, ta]) => taImageOf(ta, name));
    const nodeAccess = () => ({ mode: 0o666, uid: 0, gid: 0 });
    this.box = boot({ profile, config, tas, supplicant: 'none', nodeAccess });
    this.#untouched = heldBy(this.box);
  }

  get name(): string {
    const set = Object.entries(this.#config).map(([name, value]) => `, ${name}=${String(value)}`);
    return `a box with ${this.box.profile.name}${set.join('')}`;
  }
  get release(): string {
    return this.box.profile.release;
  }

  get isHardened(): boolean {
    return this.box.profile.name === 'hardened';
  }

  /** A box has it all. */
  lacks(): undefined {
    return undefined;
  }

  async process(cred = ROOT): Promise<TeeProcess> {
    return new BoxProcess(Puppet.start(this.box.kernel, { name: 'conformance', ...cred }));
  }

  async readFile(path: string): Promise<string | undefined> {
    const program = this.box.program();
    const text = await readAll(program, path);
    await program.exit();
    return text;
  }

  /** Resolves when nothing in the box can go on by itself. */
  async rest(): Promise<void> {
    const { sched } = this.box;
    do {
      await this.box.settle();
      await new Promise((resolve) => setImmediate(resolve));
    } while (sched.halted === undefined && (sched.runnable || sched.awaited !== undefined));
  }

  async leftovers(): Promise<readonly string[]> {
    await this.rest();
    const { halted } = this.box;
    const owned = this.box.leaks().map(({ what, count, owner }) => `${what}: ${count} (${owner})`);
    const leaks = [...owned, ...leftBehind(this.#untouched, heldBy(this.box))];
    return halted === undefined ? leaks : [`${halted.kind}: ${halted.text}`, ...leaks];
  }
}

async function readAll(program: Program, path: string): Promise<string | undefined> {
  const { memory, sys } = program;
  const fd = await program.run(sys.open(path, O_RDONLY));
  if (fd < 0) return undefined;
  const at = memory.malloc(SYSFS_BYTES);
  const length = await program.run(sys.read(fd, at, SYSFS_BYTES));
  return new TextDecoder().decode(memory.read(at, length));
}
