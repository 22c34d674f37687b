import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CAP_IPC_LOCK } from '../../abi/capability.ts';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { Trace } from '../../trace/trace.ts';
import { MmAccount, PinAccounts, pagesToAccount } from './account.ts';
import type { Pinner } from './account.ts';
import { GFP_KERNEL, __GFP_COMP } from './gfp.ts';
import { makeMemory } from './testing/memory.ts';

interface Who extends Pinner {
  readonly mm: { readonly account: MmAccount };
}

const who = (uid: number, pages: number, ...capabilities: readonly number[]): Who => ({
  cred: { uid, capabilities: new Set(capabilities) },
  rlimits: { memlock: pages * PAGE_SIZE },
  mm: { account: new MmAccount() },
});

function make() {
  const trace = new Trace();
  return { trace, accounts: new PinAccounts(trace) };
}

describe('user_struct->locked_vm', () => {
  it('tells the trace how full it is, and of what limit, also when it empties', () => {
    const { accounts, trace } = make();
    trace.setLevel('worlds');
    accounts.uncharge(accounts.charge(who(1000, 10), 6)!);
    const pools = [...trace.events()].filter(({ name }) => name === 'pool');
    assert.deepEqual(
      pools.map(({ args }) => args),
      [6, 0].map((used) => ({
        name: 'locked_vm of user 1000',
        used,
        limit: 10,
        unit: 'pages',
      })),
    );
  });

  it('is one for all processes of a user, and not for another user', () => {
    const { accounts } = make();
    const [a, b, other] = [who(1000, 10), who(1000, 10), who(1001, 10)];
    const first = accounts.charge(a, 6);
    assert.ok(first !== undefined);
    assert.equal(accounts.charge(b, 5), undefined);
    const second = accounts.charge(b, 4);
    assert.ok(second !== undefined);
    assert.ok(accounts.charge(other, 10) !== undefined);
    assert.deepEqual(
      [accounts.pages(1000), accounts.pages(1001), accounts.users],
      [10, 10, [1000, 1001]],
    );
    assert.deepEqual([a.mm.account.pinnedVm, b.mm.account.pinnedVm], [6, 4]);
    accounts.uncharge(first);
    accounts.uncharge(second);
    assert.deepEqual(
      [accounts.pages(1000), accounts.highest(1000), accounts.users],
      [0, 10, [1001]],
    );
    assert.deepEqual([a.mm.account.pinnedVm, b.mm.account.pinnedVm], [0, 0]);
  });

  it('is held to the limit of whoever charges, up to its last page', () => {
    const { accounts } = make();
    const low = { ...who(1000, 0), rlimits: { memlock: 2 * PAGE_SIZE + PAGE_SIZE - 1 } };
    assert.equal(accounts.charge(low, 3), undefined);
    assert.ok(accounts.charge(low, 2) !== undefined);
    assert.ok(accounts.charge(who(1000, 3), 1) !== undefined);
    assert.ok(accounts.charge(who(1000, Infinity), 1_000_000) !== undefined);
  });

  it('does not hold against a limit what counts already', () => {
    const { accounts } = make();
    assert.ok(accounts.charge(who(1000, 4), 4) !== undefined);
    const nothing = accounts.charge(who(1000, 2), 0);
    assert.ok(nothing !== undefined);
    accounts.uncharge(nothing);
    assert.equal(accounts.pages(1000), 4);
    assert.throws(() => accounts.uncharge({ ...nothing, pages: 5 }), /given back more/);
  });

  it('CAP_IPC_LOCK: the user is not charged, the address space is', () => {
    const { accounts } = make();
    const root = who(0, 0, CAP_IPC_LOCK);
    const charge = accounts.charge(root, 100);
    assert.ok(charge !== undefined);
    assert.deepEqual([accounts.pages(0), root.mm.account.pinnedVm], [0, 100]);
    accounts.uncharge(charge);
    assert.equal(root.mm.account.pinnedVm, 0);
    // Who made a ring without it is charged even if a privileged process uses it, and the reverse.
    assert.equal(accounts.charge(root, 1, true), undefined);
    assert.ok(accounts.charge(who(1000, 0), 1, false) !== undefined);
  });

  it('says limit, use and remedy', () => {
    const { trace, accounts } = make();
    const user = who(1000, 4);
    accounts.charge(user, 3);
    assert.equal(accounts.charge(user, 2), undefined);
    const cause = trace.lastCause;
    assert.equal(cause?.code, '-ENOMEM');
    assert.equal(cause?.text, 'user 1000 has 12288 bytes pinned and may not pin 8192 more');
    assert.deepEqual([cause?.requested, cause?.available], [8192, 4096]);
    assert.equal(cause?.limit, 'RLIMIT_MEMLOCK=16384');
    assert.match(cause?.hint ?? '', /unregister.*ulimit -l.*CAP_IPC_LOCK/);
    assert.equal(user.mm.account.pinnedVm, 3);
  });
});

describe('mm->locked_vm', () => {
  it('is of one address space', () => {
    const { trace, accounts } = make();
    const [a, b] = [who(1000, 10), who(1000, 10)];
    assert.ok(accounts.accountLockedVm(a, a.mm.account, 10));
    assert.ok(accounts.accountLockedVm(b, b.mm.account, 10));
    assert.equal(accounts.accountLockedVm(a, a.mm.account, 1), false);
    assert.match(trace.lastCause?.text ?? '', /^the process has 40960 bytes/);
    assert.ok(accounts.accountLockedVm(a, a.mm.account, -10));
    assert.deepEqual(
      [a.mm.account.lockedVm, b.mm.account.lockedVm, accounts.pages(1000)],
      [0, 10, 0],
    );
    assert.ok(accounts.accountLockedVm(who(0, 0, CAP_IPC_LOCK), a.mm.account, 1));
  });
});

describe('what pages count', () => {
  it('small ones each time, compound ones as a whole and once', () => {
    const { pages } = makeMemory();
    const small = pages.alloc(0)!;
    const large = pages.alloc(4, GFP_KERNEL | __GFP_COMP)!;
    const at = (page: number): Pa => pa(large + page * PAGE_SIZE);
    const count = (list: readonly Pa[], counted?: Set<number>): number =>
      pagesToAccount(pages.frames, list, counted);
    assert.equal(count([small, small]), 2);
    assert.equal(count([at(3)]), 16);
    assert.equal(count([at(3), small, at(4), at(0)]), 17);
    const counted = new Set<number>();
    assert.deepEqual([count([at(1)], counted), count([at(2)], counted)], [16, 0]);
  });
});
