import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBADF, EBUSY, EINVAL, ENOENT, ERESTARTSYS } from '../../../abi/errno.ts';
import { TEEC_ERROR_COMMUNICATION } from '../../../abi/gp.ts';
import { OPTEE_RPC_CMD_FS, OPTEE_RPC_CMD_LOAD_TA } from '../../../abi/optee-rpc.ts';
import * as tee from '../../../abi/tee.ts';
import type { Co } from '../../../sched/task.ts';
import type { TraceEvent } from '../../../trace/events.ts';
import { teeShmAllocUserBuf } from '../tee-shm-alloc.ts';
import type { TeeContext } from '../tee-context.ts';
import { teedevCloseContext, teedevOpen } from '../tee-context.ts';
import type { TeeParam } from '../tee-drv.ts';
import type { TeeShm } from '../tee-shm.ts';
import { makeBox, openClient, openSupplicant } from './testing/box.ts';
import type { BoxOptions, OpteeBox, Running } from './testing/box.ts';
import { param, recv, send, sendParams, serve } from './testing/clients.ts';
import { FIXED } from './testing/profiles.ts';

const META_VALUE = tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT | tee.TEE_IOCTL_PARAM_ATTR_META;
const RECV_SITE = 'optee_supp_recv';
const REQ_SITE = 'optee_supp_thrd_req';

interface Pair {
  readonly box: OpteeBox;
  readonly client: TeeContext;
  readonly supplicant: TeeContext;
  /** A request of the client's, on a task of its own. */
  ask(func: number, ...params: readonly TeeParam[]): Running<number>;
}

function makePair(options: BoxOptions = {}): Pair {
  const box = makeBox(options);
  const client = box.run(openClient(box.optee));
  const supplicant = box.run(openSupplicant(box.optee));
  const ask = (func: number, ...params: readonly TeeParam[]): Running<number> => {
    const running = box.spawn(`asker ${func}`, box.optee.supp.thrdReq(client, func, params));
    box.settle();
    return running;
  };
  return { box, client, supplicant, ask };
}

const inout = (a: number, b = 0, c = 0): TeeParam =>
  param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, a, b, c });

describe('a supplicant that works asynchronously', () => {
  it('gets an id with each request, and answers in any order', () => {
    const { box, supplicant, ask } = makePair();
    const values = [inout(1), inout(2)];
    const first = ask(OPTEE_RPC_CMD_FS, values[0]!);
    const second = ask(OPTEE_RPC_CMD_LOAD_TA, values[1]!);
    const one = box.run(recv(supplicant));
    const two = box.run(recv(supplicant));
    assert.deepEqual([one.func, two.func], [OPTEE_RPC_CMD_FS, OPTEE_RPC_CMD_LOAD_TA]);
    assert.deepEqual([one.count, two.count], [2, 2]);
    assert.deepEqual(
      [one, two].map(({ params }) => [params[0]!.attr, params[0]!.aLo, params[1]!.aLo]),
      [
        [META_VALUE, 1, 1],
        [META_VALUE, 2, 2],
      ],
    );
    two.params[1]!.bLo = 22;
    assert.equal(box.run(send(supplicant, two, 0x22)), 0);
    box.settle();
    assert.equal(second.result, 0x22);
    assert.equal(values[1]!.bLo, 22);
    assert.equal(first.site, REQ_SITE);
    assert.equal(box.run(send(supplicant, one, 0x11)), 0);
    box.settle();
    assert.equal(first.result, 0x11);
    assert.deepEqual(box.optee.supp.outstanding, []);
  });

  it('sleeps until there is a request', () => {
    const { box, supplicant, ask } = makePair();
    const waiting = box.spawn('supplicant', recv(supplicant));
    box.settle();
    assert.equal(waiting.site, RECV_SITE);
    ask(1);
    assert.equal(waiting.result?.func, 1);
  });

  it('is interrupted by any signal', () => {
    const { box, supplicant, ask } = makePair();
    const waiting = box.spawn('supplicant', recv(supplicant));
    box.settle();
    waiting.signal();
    box.settle();
    assert.equal(waiting.result?.error, -ERESTARTSYS);
    ask(1);
    assert.equal(box.run(recv(supplicant)).error, 0, 'no request is lost');
  });

  it('must bring the META value', () => {
    const { box, supplicant, ask } = makePair();
    ask(1, inout(1));
    const request = box.run(recv(supplicant));
    const meta = request.params[0]!;
    const bad: readonly (readonly [attr: number, a: number, rc: number])[] = [
      [tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, 1, -EINVAL],
      [tee.TEE_IOCTL_PARAM_ATTR_META, 1, -EINVAL],
      [META_VALUE, 9, -ENOENT],
    ];
    for (const [attr, a, rc] of bad) {
      meta.attr = attr;
      meta.aLo = a;
      assert.equal(box.run(send(supplicant, request)), rc);
    }
    meta.aLo = 1;
    meta.aHi = 7;
    assert.equal(box.run(send(supplicant, request)), 0, 'ids are ints');
  });

  it('must bring as many parameters as the request has', () => {
    const { box, supplicant, ask } = makePair();
    const asker = ask(1, inout(1), inout(2));
    const request = box.run(recv(supplicant));
    assert.equal(box.run(sendParams(supplicant, 0, [])), -EINVAL);
    assert.equal(box.run(sendParams(supplicant, 0, request.params.slice(0, 2))), -EINVAL);
    assert.equal(box.run(sendParams(supplicant, 0, request.params.slice(0, 4))), -EINVAL);
    assert.equal(asker.site, REQ_SITE, 'the request stays');
    assert.equal(box.run(send(supplicant, request)), 0);
  });
});

describe('a supplicant that works synchronously', () => {
  it('has one request at a time, and needs no id', () => {
    const { box, supplicant, ask } = makePair();
    const first = ask(1, inout(1));
    const second = ask(2);
    const request = box.run(recv(supplicant, 4, false));
    assert.deepEqual([request.func, request.count, request.params[0]!.aLo], [1, 1, 1]);
    assert.equal(box.run(recv(supplicant, 4, false)).error, -EINVAL);
    assert.equal(box.run(recv(supplicant, 5, true)).error, -EINVAL, 'nor in the other mode');
    assert.equal(box.run(send(supplicant, request, 5)), 0);
    box.settle();
    assert.equal(first.result, 5);
    assert.equal(box.run(recv(supplicant, 4, false)).func, 2);
    assert.equal(second.site, REQ_SITE);
  });

  it('cannot answer a request without parameters: SEND wants one at least', () => {
    const { box, supplicant, ask } = makePair();
    ask(1);
    const request = box.run(recv(supplicant, 4, false));
    assert.equal(request.count, 0);
    assert.equal(box.run(send(supplicant, request)), -EINVAL);
  });
});

describe('SUPPL_RECV', () => {
  it('takes NONE and META parameters only, and drops the memory it is given', () => {
    const { box, supplicant } = makePair();
    const shm = box.run(teeShmAllocUserBuf(supplicant, 1)) as TeeShm;
    shm.get();
    const memref = param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, shm });
    const { suppRecv } = supplicant.ops;
    assert.equal(box.run(suppRecv!(supplicant, [memref])).error, -EINVAL);
    assert.equal(shm.refcount.count, 1);
    assert.equal(box.run(suppRecv!(supplicant, [inout(1)])).error, -EINVAL);
    assert.equal(box.run(suppRecv!(supplicant, [])).error, -EINVAL);
    box.run(shm.put());
  });

  it('leaves a request queued that has more parameters than there is room', () => {
    const { box, supplicant, ask } = makePair();
    ask(1, inout(1), inout(2));
    assert.equal(box.run(recv(supplicant, 2)).error, -EINVAL, 'one is for the id');
    assert.equal(box.kernel.trace.lastCause?.requested, 2);
    assert.deepEqual(box.optee.supp.outstanding, [{ id: 1, func: 1, state: 'queued' }]);
    assert.equal(box.run(recv(supplicant, 3)).error, 0);
  });
});

describe('an answer', () => {
  it('changes outputs only', () => {
    const { box, client, supplicant, ask } = makePair();
    const shm = box.run(teeShmAllocUserBuf(client, 4096)) as TeeShm;
    const value = { a: 1, b: 2, c: 3 };
    const memref = { shm, offs: 8, size: 100 };
    const params = [
      param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, ...value }),
      param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT, ...value }),
      param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, ...memref }),
      param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT, ...memref }),
    ];
    ask(1, ...params);
    const request = box.run(recv(supplicant));
    for (const p of request.params.slice(1)) {
      p.aLo = p.bLo = p.cLo = 7;
      p.size = 50;
    }
    box.run(send(supplicant, request));
    assert.deepEqual(
      params.map(({ aLo, bLo, cLo, size }) => [aLo, bLo, cLo, size]),
      [
        [1, 2, 3, 0],
        [7, 7, 7, 0],
        [0, 0, 0, 100],
        [0, 0, 0, 50],
      ],
    );
    box.run(shm.put());
  });
});

describe('a client that is killed', () => {
  it('takes back a request that nobody has seen', () => {
    const { box, ask } = makePair();
    const asker = ask(1);
    asker.kill();
    box.settle();
    assert.equal(asker.result, TEEC_ERROR_COMMUNICATION);
    assert.deepEqual(box.optee.supp.outstanding, []);
  });

  it('leaves the id of a request in work reserved until it is answered: -EBADF', () => {
    const { box, supplicant, ask } = makePair();
    const asker = ask(1, inout(1));
    const request = box.run(recv(supplicant));
    asker.kill();
    box.settle();
    assert.equal(asker.result, TEEC_ERROR_COMMUNICATION);
    assert.deepEqual(box.optee.supp.outstanding, [{ id: 1, func: undefined, state: 'revoked' }]);
    ask(2);
    assert.equal(box.run(recv(supplicant)).params[0]!.aLo, 2, 'the id is not given out again');
    assert.equal(box.run(send(supplicant, request)), -EBADF);
    ask(3);
    assert.equal(box.run(recv(supplicant)).params[0]!.aLo, 1, 'now it is');
  });

  it('uses the answer when it was there already', () => {
    const { box, supplicant, ask } = makePair();
    const asker = ask(1, inout(1));
    const request = box.run(recv(supplicant));
    // The signal ends its sleep, and before it runs the answer is there.
    box.spawn(
      'killer and supplicant',
      (function* () {
        asker.kill();
        yield* send(supplicant, request, 0x33);
      })(),
    );
    box.settle();
    assert.equal(asker.result, 0x33);
  });

  it('is not ended by a signal that it handles', () => {
    const { box, ask } = makePair();
    const asker = ask(1);
    asker.signal();
    box.settle();
    assert.equal(asker.site, REQ_SITE);
  });
});

describe('without a supplicant', () => {
  it('kernel clients fail at once, files wait for one to come', () => {
    const box = makeBox();
    const file = box.run(openClient(box.optee));
    const kernelClient = box.run(openClient(box.optee));
    kernelClient.suppNowait = true;
    const { supp } = box.optee;
    assert.equal(box.run(supp.thrdReq(kernelClient, 1, [])), TEEC_ERROR_COMMUNICATION);
    assert.match(box.kernel.trace.lastCause!.text, /no tee-supplicant/);
    const asker = box.spawn('asker', supp.thrdReq(file, 1, [inout(1)]));
    box.settle();
    assert.equal(asker.site, REQ_SITE);
    const supplicant = box.run(openSupplicant(box.optee));
    box.spawn(
      'supplicant',
      serve(supplicant, () => 0x44),
    );
    box.settle();
    assert.equal(asker.result, 0x44);
  });
});

describe('a supplicant that closes', () => {
  it('fails what is queued and what is in work; later requests wait for the next one', () => {
    const { box, supplicant, ask } = makePair();
    const inWork = ask(1);
    box.run(recv(supplicant));
    const queued = ask(2);
    const revoked = ask(3);
    box.run(recv(supplicant));
    box.run(recv(supplicant));
    revoked.kill();
    const alsoQueued = ask(4);
    box.run(teedevCloseContext(supplicant));
    assert.deepEqual(
      [inWork, queued, revoked, alsoQueued].map(({ result }) => result),
      [
        TEEC_ERROR_COMMUNICATION,
        TEEC_ERROR_COMMUNICATION,
        TEEC_ERROR_COMMUNICATION,
        TEEC_ERROR_COMMUNICATION,
      ],
    );
    const causes = [...box.kernel.trace.events()].flatMap((event) =>
      event.name === 'cause' ? [(event as TraceEvent<'cause'>).args] : [],
    );
    const gone = 'tee-supplicant closed its device, or died, before it had';
    assert.deepEqual(
      causes.filter(({ text }) => text.startsWith(gone)).map(({ text }) => text.slice(gone.length)),
      [
        ' answered OPTEE_RPC_CMD_RPMB',
        ' answered OPTEE_RPC_CMD_FS',
        ' received OPTEE_RPC_CMD_NOTIFICATION',
      ],
    );
    assert.deepEqual(box.optee.supp.outstanding, []);
    assert.equal(ask(5).site, REQ_SITE);
    box.run(openSupplicant(box.optee));
  });

  it('has the device to itself until then', () => {
    const { box } = makePair();
    assert.equal(box.run(teedevOpen(box.optee.suppTeedev)), -EBUSY);
  });

  it('forgets that it was in the middle of a request', () => {
    const { box, supplicant, ask } = makePair();
    ask(1, inout(1));
    box.run(recv(supplicant, 4, false));
    box.run(teedevCloseContext(supplicant));
    const next = box.run(openSupplicant(box.optee));
    ask(2);
    assert.equal(box.run(recv(next)).func, 2);
  });
});

describe('quirk: a supplicant whose buffers somebody holds', () => {
  /** The supplicant closes its file while a reference on a buffer of its context is held. */
  function* closeHolding(supplicant: TeeContext): Co<TeeShm> {
    const shm = (yield* teeShmAllocUserBuf(supplicant, 4096)) as TeeShm;
    yield* teedevCloseContext(supplicant);
    return shm;
  }

  it('keeps the device, and lets its client wait until it is killed', () => {
    const { box, supplicant, ask } = makePair();
    const asker = ask(1);
    box.run(recv(supplicant));
    const shm = box.run(closeHolding(supplicant));
    assert.equal(asker.site, REQ_SITE);
    assert.equal(box.run(teedevOpen(box.optee.suppTeedev)), -EBUSY);
    asker.kill();
    box.settle();
    assert.equal(asker.result, TEEC_ERROR_COMMUNICATION);
    box.run(shm.put());
    box.run(openSupplicant(box.optee));
  });

  it('fails its requests and frees the device at close when fixed', () => {
    const { box, supplicant, ask } = makePair({ switches: FIXED });
    const asker = ask(1);
    box.run(recv(supplicant));
    const shm = box.run(closeHolding(supplicant));
    assert.equal(asker.result, TEEC_ERROR_COMMUNICATION);
    const next = box.run(openSupplicant(box.optee));
    const later = ask(2);
    box.run(shm.put());
    assert.equal(later.site, REQ_SITE, 'the release of the old context is not for the new one');
    assert.equal(box.run(recv(next)).func, 2);
  });
});

describe('quirk: SUPPL_SEND for a request that was never received', () => {
  /** A second request is sent an answer while it is queued. */
  function answerQueued(options: BoxOptions): { pair: Pair; second: Running<number>; rc: number } {
    const pair = makePair(options);
    pair.ask(1, inout(1));
    const request = pair.box.run(recv(pair.supplicant));
    const second = pair.ask(2, inout(2));
    request.params[0]!.aLo = 2;
    const rc = pair.box.run(send(pair.supplicant, request, 0x55));
    pair.box.settle();
    return { pair, second, rc };
  }

  it('frees it while it is on the list: kernel BUG at the next request', () => {
    const { pair, second, rc } = answerQueued({});
    assert.equal(rc, 0);
    assert.equal(second.result, 0x55);
    assert.throws(() => pair.ask(3), /list_add corruption.*request 2/);
    assert.equal(pair.box.sched.halted?.kind, 'kernel BUG');
  });

  it('frees it while it is on the list: use after free at the next SUPPL_RECV', () => {
    const { pair } = answerQueued({});
    assert.throws(() => pair.box.run(recv(pair.supplicant)), /request 2/);
    assert.equal(pair.box.sched.halted?.kind, 'use after free');
  });

  it('goes well by chance when its owner is killed before it runs', () => {
    const pair = makePair();
    const asker = pair.ask(2, inout(2));
    const answer = [param({ attr: META_VALUE, a: 1 }), inout(2)];
    pair.box.spawn('supplicant', sendParams(pair.supplicant, 0, answer));
    pair.box.settle();
    assert.equal(asker.result, 0);
  });

  it('finds no such request when fixed', () => {
    const { pair, second, rc } = answerQueued({ switches: FIXED });
    assert.equal(rc, -ENOENT);
    assert.equal(second.site, REQ_SITE);
    assert.equal(pair.box.run(recv(pair.supplicant)).func, 2);
  });
});

describe('traces', () => {
  it('tell of each step of a request', () => {
    const { box, supplicant, ask } = makePair();
    const { trace } = box.kernel;
    trace.setLevel('worlds');
    ask(6, inout(1));
    box.run(send(supplicant, box.run(recv(supplicant)), 9));
    const events = [...trace.events()].filter(({ name }) => name.startsWith('supp.'));
    assert.deepEqual(
      events.map(({ name, args }) => [name, args]),
      [
        ['supp.request', { request: 1, func: 6 }],
        ['supp.receive', { request: 1, func: 6 }],
        ['supp.send', { request: 1, ret: 9 }],
      ],
    );
  });
});
