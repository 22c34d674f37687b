import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENOMEM } from '../../abi/errno.ts';
import { SIGKILL } from '../../abi/fcntl.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import { Shmem } from '../mm/shmem.ts';
import { MM_HARDENED } from '../mm/switches.ts';
import type { ProcessOptions } from '../process/user-process.ts';
import { NOTHING_HELD, boot } from './testing/box.ts';
import type { TeeBox } from './testing/box.ts';
import { HARDENED } from './testing/profiles.ts';
import type { TeeUser } from './testing/user.ts';

/** Pages of the large folio that every test has. */
const FOLIO = 512;

const makeBox = (): TeeBox =>
  boot({
    switches: HARDENED,
    kernel: { mmSwitches: MM_HARDENED },
    nodeAccess: () => ({ mode: 0o666, uid: 0, gid: 0 }),
  });

const makeFolio = (box: TeeBox): Shmem =>
  new Shmem(box.kernel.pages, { order: 9, bytes: FOLIO * PAGE_SIZE });

/** A program with an open context and the folio mapped. */
class Client {
  readonly user: TeeUser;
  readonly at: number;
  fd = -1;

  constructor(box: TeeBox, cache: Shmem, limitPages: number, more: Partial<ProcessOptions> = {}) {
    this.user = box.user({ uid: 1000, memlock: limitPages * PAGE_SIZE, ...more });
    const { mm } = this.user.program.process;
    this.at = mm.mmap({ length: FOLIO * PAGE_SIZE, shared: true, cache });
  }

  async open(): Promise<this> {
    this.fd = await this.user.open();
    return this;
  }

  /** The context of another, as if its fd came through a socket. */
  take(other: Client): this {
    const file = other.user.program.process.files.get(other.fd)!;
    this.fd = this.user.program.process.files.install(file.get());
    return this;
  }

  /** Pages of the folio: the fd, or a negative errno. */
  async register(page: number, pages: number, fd = this.fd): Promise<number> {
    return (await this.user.register(fd, this.at + page * PAGE_SIZE, pages * PAGE_SIZE)).fd;
  }

  get pinnedVm(): number {
    return this.user.program.process.mm.account.pinnedVm;
  }
}

const charged = (box: TeeBox, ...uids: readonly number[]): readonly number[] =>
  uids.map((uid) => box.tee.memlock.pages(uid));

describe('a compound page counts once for each context', () => {
  it('until the last registration that has pages of it goes', async () => {
    const box = makeBox();
    const client = await new Client(box, makeFolio(box), FOLIO + 10).open();
    const seen = (): readonly number[] => [...charged(box, 1000), client.pinnedVm];
    const first = await client.register(0, 1);
    assert.deepEqual(seen(), [FOLIO, FOLIO]);
    const second = await client.register(1, 2);
    assert.ok(first >= 0 && second >= 0);
    assert.deepEqual(seen(), [FOLIO, FOLIO]);
    await client.user.close(first);
    assert.deepEqual(seen(), [FOLIO, FOLIO]);
    await client.user.close(second);
    assert.deepEqual(seen(), [0, 0]);
    assert.ok((await client.register(0, 1)) >= 0);
    assert.deepEqual(seen(), [FOLIO, FOLIO]);
  });

  it('small pages beside it count each time', async () => {
    const box = makeBox();
    const cache = makeFolio(box);
    const { user, fd } = await new Client(box, cache, FOLIO + 10).open();
    const { mm } = user.program.process;
    const folio = { length: FOLIO * PAGE_SIZE, shared: true, cache } as const;
    const at = mm.mmap({ length: 2 * folio.length });
    mm.mmap({ ...folio, at, fixed: 'replace' });
    const fds: number[] = [];
    const seen: number[] = [];
    for (const pages of [3, 4, 1]) {
      fds.push((await user.register(fd, at + folio.length - PAGE_SIZE, pages * PAGE_SIZE)).fd);
      seen.push(...charged(box, 1000));
    }
    for (const one of fds) {
      await user.close(one);
      seen.push(...charged(box, 1000));
    }
    const [two, five] = [FOLIO + 2, FOLIO + 5];
    assert.deepEqual(seen, [two, five, five, FOLIO + 3, FOLIO, 0]);
  });

  it('a registration that the limit refuses leaves nothing', async () => {
    const box = makeBox();
    const client = await new Client(box, makeFolio(box), FOLIO - 1).open();
    for (let n = 0; n < 2; n++) {
      assert.equal(await client.register(0, 1), -ENOMEM);
      assert.match(box.trace.lastCause?.text ?? '', /user 1000 has 0 bytes pinned/);
      assert.deepEqual([...charged(box, 1000), client.pinnedVm], [0, 0]);
      assert.equal(box.kernel.pages.pinsOutstanding, 0);
    }
  });

  it('a registration that the driver refuses leaves nothing, or what there was', async () => {
    const box = makeBox();
    const client = await new Client(box, makeFolio(box), FOLIO).open();
    box.fake.errors.register = -ENOMEM;
    assert.equal(await client.register(0, 1), -ENOMEM);
    assert.deepEqual([...charged(box, 1000), client.pinnedVm], [0, 0]);
    box.fake.errors.register = 0;
    const fd = await client.register(0, 1);
    box.fake.errors.register = -ENOMEM;
    assert.equal(await client.register(0, 1), -ENOMEM);
    assert.deepEqual([...charged(box, 1000), client.pinnedVm], [FOLIO, FOLIO]);
    await client.user.close(fd);
    assert.deepEqual([...charged(box, 1000), client.pinnedVm], [0, 0]);
  });

  it('another context counts its own', async () => {
    const box = makeBox();
    const client = await new Client(box, makeFolio(box), 2 * FOLIO).open();
    const fds = [client.fd, await client.user.open()];
    const shms = [await client.register(0, 1, fds[0]), await client.register(0, 1, fds[1])];
    assert.deepEqual(charged(box, 1000), [2 * FOLIO]);
    assert.equal(await client.register(0, 1, await client.user.open()), -ENOMEM);
    await client.user.close(shms[0]!);
    assert.deepEqual(charged(box, 1000), [FOLIO]);
    assert.ok((await client.register(5, 1, fds[1])) >= 0);
    assert.deepEqual(charged(box, 1000), [FOLIO]);
  });

  it('who registers later through the same context is not charged, whoever that is', async () => {
    const box = makeBox();
    const cache = makeFolio(box);
    const first = await new Client(box, cache, FOLIO).open();
    const later = new Client(box, cache, 0, { uid: 1001 }).take(first);
    const [one, other] = [await first.register(0, 1), await later.register(1, 1)];
    assert.ok(one >= 0 && other >= 0);
    await first.user.close(one);
    assert.deepEqual(charged(box, 1000, 1001), [FOLIO, 0]);
    assert.deepEqual([first.pinnedVm, later.pinnedVm], [FOLIO, 0]);
    await later.user.close(other);
    assert.deepEqual(charged(box, 1000, 1001), [0, 0]);
    assert.deepEqual([first.pinnedVm, later.pinnedVm], [0, 0]);
    assert.equal(await later.register(1, 1), -ENOMEM);
  });

  it('nor when it was CAP_IPC_LOCK that kept it from being charged', async () => {
    const box = makeBox();
    const cache = makeFolio(box);
    const root = await new Client(box, cache, 0, { uid: 0 }).open();
    const later = new Client(box, cache, 0).take(root);
    assert.ok((await root.register(0, 1)) >= 0);
    assert.ok((await later.register(0, 1)) >= 0);
    assert.deepEqual([...charged(box, 0, 1000), root.pinnedVm], [0, 0, FOLIO]);
  });

  it('a process that is killed gives everything back', async () => {
    const box = makeBox();
    const client = await new Client(box, makeFolio(box), FOLIO).open();
    const { account } = client.user.program.process.mm;
    for (const page of [0, 1, 2]) assert.ok((await client.register(page, 1)) >= 0);
    assert.deepEqual(charged(box, 1000), [FOLIO]);
    client.user.program.kill(SIGKILL);
    await client.user.program.exited();
    assert.equal(account.pinnedVm, 0);
    assert.deepEqual(box.held(), NOTHING_HELD);
  });

  it('also what another has registered since, when that one goes, too', async () => {
    const box = makeBox();
    const cache = makeFolio(box);
    const first = await new Client(box, cache, FOLIO).open();
    const later = new Client(box, cache, 0, { uid: 1001 }).take(first);
    assert.ok((await first.register(0, 1)) >= 0);
    assert.ok((await later.register(0, 1)) >= 0);
    for (const [client, left] of [
      [first, FOLIO],
      [later, 0],
    ] as const) {
      client.user.program.kill(SIGKILL);
      await client.user.program.exited();
      assert.deepEqual(charged(box, 1000, 1001), [left, 0]);
    }
    assert.deepEqual(box.held(), NOTHING_HELD);
  });
});
