import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_SECURITY,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import { LAYOUT, NormalWorld } from '../testing/normal-world.ts';
import { rmem, tmem } from '../testing/msg-param.ts';
import type { MsgParam } from '../testing/msg-param.ts';
import type { MsgResult } from '../testing/normal-world.ts';
import { testTa } from '../testing/test-ta.ts';
import type { TaParams } from '../../ta/runtime.ts';

const UUID = '11111111-2222-3333-4444-555555555555';
const TMEM_IN = 0x9;
const TMEM_OUT = 0xa;
const RMEM_IN = 0x5;
const RMEM_OUT = 0x6;
const RMEM_INOUT = 0x7;
const NONCONTIG = 0x200;
const META = 0x100;

/** A world with a TA that shows its parameters to `look`. */
class Fixture {
  readonly world: NormalWorld;
  look: (params: TaParams) => void = () => {};
  readonly session: number;

  constructor(options: ConstructorParameters<typeof NormalWorld>[0] = {}) {
    const look = (params: TaParams): void => this.look(params);
    const ta = testTa({
      uuid: UUID,
      commands: {
        *0({ params }) {
          look(params!);
          return TEE_SUCCESS;
        },
      },
    });
    this.world = new NormalWorld({ ...options, tas: [ta] });
    this.session = this.world.run(this.world.open(UUID)).session;
  }

  invoke(params: readonly MsgParam[], look: (params: TaParams) => void = () => {}): MsgResult {
    this.look = look;
    return this.world.run(this.world.invoke(this.session, 0, params));
  }

  register(pages: readonly number[], size: number, offset = 0): number {
    const cookie = this.world.newCookie();
    const { ret } = this.world.run(this.world.register(pages, size, cookie, offset));
    assert.equal(ret, TEE_SUCCESS);
    return cookie;
  }
}

describe('values', () => {
  it('reach the TA as 32 bits and come back so, in a and b only', () => {
    const f = new Fixture();
    const big = 0xffff_ffff_0000_0007n;
    const result = f.invoke([{ attr: 3, a: big, b: big, c: 99 }], ({ types, slots }) => {
      assert.equal(types, 0x3);
      assert.deepEqual([slots[0]!.a, slots[0]!.b], [7, 7]);
      slots[0]!.a = 0xfffffffe;
      slots[0]!.b = 1;
    });
    assert.deepEqual(result.params, [{ a: 0xfffffffe, b: 1, c: 99 }]);
    assert.deepEqual([result.ret, result.origin], [TEE_SUCCESS, TEE_ORIGIN_TRUSTED_APP]);
  });

  it('that are input do not come back', () => {
    const f = new Fixture();
    const result = f.invoke([{ attr: 1, a: 5, b: 6 }, { attr: 0 }, { attr: 2, a: 8 }], (params) => {
      assert.equal(params.types, 0x201);
      assert.equal(params.slots[2]!.a, 8);
      for (const slot of params.slots) slot.a = 77;
    });
    assert.deepEqual(
      result.params.map(({ a }) => a),
      [5, 0, 77],
    );
  });

  it('of an earlier call are not seen by a later one', () => {
    const f = new Fixture();
    f.invoke([{ attr: 3, a: 5, b: 6 }]);
    f.invoke([], ({ slots }) => {
      assert.deepEqual(
        slots.map((s) => [s.a, s.b, s.size, s.memref]),
        Array.from({ length: 4 }, () => [0, 0, 0, undefined]),
      );
    });
  });
});

describe('parameters that are refused', () => {
  const f = new Fixture();
  const refused = (params: readonly MsgParam[], code: number): void => {
    const result = f.invoke(params, () => assert.fail('the TA was entered'));
    assert.deepEqual([result.ret, result.origin], [code, TEE_ORIGIN_TEE]);
    assert.ok(f.world.lastCause !== undefined);
  };

  it('more than four', () => {
    refused(
      Array.from({ length: 5 }, () => ({ attr: 0 })),
      TEE_ERROR_BAD_PARAMETERS,
    );
  });

  it('META, and types that do not exist', () => {
    for (const attr of [META, META | 1, 4, 8, 0xc, 0xff]) {
      refused([{ attr }], TEE_ERROR_BAD_PARAMETERS);
    }
  });

  it('memory by an address that is not reserved shared memory', () => {
    const page = f.world.page();
    const { base, size } = LAYOUT.reservedShm;
    for (const [address, length] of [
      [page, 8],
      [LAYOUT.taRam.base, 8],
      [base - 8, 16],
      [base + size - 8, 9],
      [base + size, 0],
    ] as const) {
      refused([tmem(TMEM_IN, address, length)], TEE_ERROR_BAD_PARAMETERS);
    }
    refused([{ attr: TMEM_IN, a: base, b: 0xffff_ffff_ffff_ffffn }], TEE_ERROR_BAD_PARAMETERS);
  });

  it('memory by a cookie that nobody registered', () => {
    refused([rmem(RMEM_IN, 0, 8, 0xdead)], TEE_ERROR_BAD_PARAMETERS);
    assert.match(f.world.lastCause!.text, /no registered memory has the cookie/);
  });

  it('registered memory that is left', () => {
    const cookie = f.register([f.world.page()], PAGE_SIZE);
    refused([rmem(RMEM_IN, 0, PAGE_SIZE + 1, cookie)], TEE_ERROR_SECURITY);
    refused([rmem(RMEM_IN, PAGE_SIZE, 1, cookie)], TEE_ERROR_SECURITY);
    const huge = 0xffff_ffff_ffff_ffffn;
    refused([{ attr: RMEM_IN, a: huge, b: 2, c: cookie }], TEE_ERROR_SECURITY);
    assert.equal(f.world.os.guest.shm.find(cookie, 0)?.refs, 1);
  });

  it('let go of what was read before them', () => {
    const cookie = f.register([f.world.page()], PAGE_SIZE);
    refused([rmem(RMEM_IN, 0, 8, cookie), { attr: 8 }], TEE_ERROR_BAD_PARAMETERS);
    assert.equal(f.world.os.guest.shm.find(cookie, 0)?.refs, 1);
  });

  it('registered memory in a build without dynamic shared memory', () => {
    const bare = new NormalWorld({ config: { CFG_CORE_DYN_SHM: false } });
    const at = LAYOUT.reservedShm.base;
    for (const attr of [RMEM_IN, TMEM_IN | NONCONTIG]) {
      const params = [{ attr, a: at, b: 8, c: 1 }];
      const { ret } = bare.run(bare.send({ cmd: 1, session: 1, params }, at));
      assert.equal(ret, TEE_ERROR_BAD_PARAMETERS);
    }
  });
});

describe('memory references', () => {
  it('into the reserved memory are a window in its pages', () => {
    const f = new Fixture();
    const { base } = LAYOUT.reservedShm;
    const result = f.invoke([tmem(TMEM_OUT, base + PAGE_SIZE + 16, 100)], ({ types, slots }) => {
      const { memref, size } = slots[0]!;
      assert.equal(types, 0x6);
      assert.equal(size, 100);
      assert.equal(memref!.offset, PAGE_SIZE + 16);
      assert.equal(memref!.pages[1], base + PAGE_SIZE);
      assert.equal(memref!.writable, true);
      assert.equal(memref!.nonSecure, true);
      slots[0]!.size = 40;
    });
    assert.equal(result.params[0]!.b, 40);
  });

  it('to registered memory count from its data', () => {
    const f = new Fixture();
    const pages = f.world.pages(2, true);
    const cookie = f.register(pages, 5000, 100);
    const params = [rmem(RMEM_IN, 4000, 900, cookie), rmem(RMEM_INOUT, 0, 10, cookie)];
    const result = f.invoke(params, ({ types, slots }) => {
      assert.equal(types, 0x75);
      assert.deepEqual(slots[0]!.memref!.pages, pages);
      assert.equal(slots[0]!.memref!.offset, 4100);
      assert.equal(slots[0]!.memref!.writable, false);
      slots[0]!.size = 1;
      slots[1]!.size = 99;
    });
    // Input sizes stay; what the TA makes of the others is its own business.
    assert.deepEqual(
      result.params.map(({ b }) => b),
      [900, 99],
    );
    assert.equal(f.world.os.guest.shm.find(cookie, 0)?.refs, 1);
  });

  it('may reach to the end of the last page, as upstream measures', () => {
    const cases = [
      { quirk: true, code: TEE_SUCCESS },
      { quirk: false, code: TEE_ERROR_SECURITY },
    ];
    for (const { quirk, code } of cases) {
      const f = new Fixture({ switches: { quirkShmSizePageRounded: quirk } });
      const cookie = f.register([f.world.page()], 100, 16);
      const params = [rmem(RMEM_IN, 0, PAGE_SIZE - 16, cookie)];
      assert.equal(f.invoke(params).ret, code, `quirk ${quirk}`);
      assert.equal(f.invoke([rmem(RMEM_IN, 0, 100, cookie)]).ret, TEE_SUCCESS);
    }
  });

  it('to address 0 are NULL, whatever their size', () => {
    const f = new Fixture();
    const result = f.invoke([tmem(TMEM_OUT, 0, 100), tmem(TMEM_IN | NONCONTIG, 0, 0)], (params) => {
      assert.deepEqual(params.slots[0]!.memref!.pages, []);
      assert.equal(params.slots[0]!.size, 0);
      params.slots[0]!.size = 12;
    });
    assert.equal(result.params[0]!.b, 12);
  });

  it('with a page list of their own live as long as the call', () => {
    const f = new Fixture();
    const pages = f.world.pages(3, true);
    const list = f.world.pageList(pages);
    const params = [tmem(TMEM_IN | NONCONTIG, list + 8, 3 * PAGE_SIZE - 8, 0x77)];
    const result = f.invoke(params, ({ slots }) => {
      assert.deepEqual(slots[0]!.memref!.pages, pages);
      assert.equal(slots[0]!.memref!.offset, 8);
      assert.equal(f.world.os.guest.shm.count, 2);
    });
    assert.equal(result.ret, TEE_SUCCESS);
    assert.equal(f.world.os.usage().registeredShm, 0);
  });

  it('of no bytes must be in their object all the same', () => {
    const f = new Fixture();
    const cookie = f.register([f.world.page()], PAGE_SIZE);
    assert.equal(f.invoke([rmem(RMEM_IN, 0, 0, cookie)]).ret, TEE_SUCCESS);
    assert.equal(f.invoke([rmem(RMEM_OUT, 8, 0, cookie)]).ret, TEE_SUCCESS);
    const result = f.invoke([rmem(RMEM_IN, PAGE_SIZE, 0, cookie)]);
    assert.equal(result.ret, TEE_ERROR_BAD_PARAMETERS);
    // Set when the session was opened, and not since.
    assert.equal(result.origin, TEE_ORIGIN_TRUSTED_APP);
  });
});

describe('messages', () => {
  it('may be changed while the call runs: parameters were read once', () => {
    const f = new Fixture();
    const page = f.world.page();
    const result = f.world.run(
      (function* () {
        f.look = ({ types, slots }) => {
          const at = f.world.at(page) + 32;
          f.world.writeParam(at, { attr: 0xff, a: 1, b: 2 });
          assert.equal(types, 0x3);
          slots[0]!.a = 55;
        };
        const params = [{ attr: 3, a: 9, b: 9 }];
        return yield* f.world.send({ cmd: 1, session: f.session, params }, page);
      })(),
    );
    assert.equal(result.params[0]!.a, 55);
  });

  it('in memory that the firewall has closed end the box with a core panic', () => {
    const f = new Fixture();
    const page = f.world.page();
    const cookie = f.register([page], PAGE_SIZE);
    const closed = { kind: 'protected', useCase: 'test', masters: new Set<string>() } as const;
    f.world.machine.bus.protect(page, PAGE_SIZE, closed);
    assert.throws(
      () => f.world.run(f.world.smc(0x32000013, 0, cookie, 0)),
      /the page is protected/,
    );
    assert.equal(f.world.sched.halted?.kind, 'core panic');
  });
});
