/** /dev/hwrng from read() to the TEE: rates, short answers, errors, ends; on every profile. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EAGAIN, EINTR, EINVAL, ENODEV } from '../../abi/errno.ts';
import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, SIGTERM } from '../../abi/fcntl.ts';
import { TEE_ERROR_HEALTH_TEST_FAIL } from '../../abi/pta.ts';
import type { Box, BoxOptions } from '../../box/box.ts';
import { PROFILES } from '../../box/profiles.ts';
import type { ProfileName } from '../../box/profiles.ts';
import type { Co } from '../../sched/task.ts';
import type { Program } from '../process/program.ts';
import { boot } from './testing/rig.ts';
import { peerTa, rngTa } from './testing/peers.ts';
import { PTA_RNG_UUID } from '../../abi/pta.ts';

const profiles = Object.keys(PROFILES) as ProfileName[];

const bootRng = (options: BoxOptions = {}): Box =>
  boot({ config: { CFG_HWRNG_PTA: true }, kernelClients: ['optee-rng'], ...options });

/** A generator that is asked in the order of `answers`: bytes given, or a result that refuses. */
function slow(rate: number, answers: (asked: number) => number | { refuse: number }) {
  const asked: number[] = [];
  const ta = rngTa((command, _types, params) => {
    if (command === 1) {
      params[0].value.a = rate;
      params[0].value.b = 512;
      return 0;
    }
    const { memref } = params[0];
    asked.push(memref.size);
    const given = answers(memref.size);
    if (typeof given !== 'number') return given.refuse;
    memref.buffer?.fill(0xaa, 0, Math.min(given, memref.size));
    memref.size = given;
    return 0;
  });
  return { ta, asked };
}

async function open(program: Program, flags: number): Promise<number> {
  return await program.run(program.sys.open('/dev/hwrng', flags));
}

async function read(program: Program, fd: number, count: number): Promise<Uint8Array | number> {
  const at = program.memory.malloc(count);
  const got = await program.run(program.sys.read(fd, at, count));
  return got < 0 ? got : program.memory.read(at, got);
}

async function show(box: Box, attribute: string): Promise<string> {
  const program = box.program();
  const path = `/sys/class/misc/hw_random/${attribute}`;
  const fd = await program.run(program.sys.open(path, O_RDONLY));
  const text = await read(program, fd, 4096);
  await program.exit();
  return typeof text === 'number' ? String(text) : new TextDecoder().decode(text);
}

async function inKernel(box: Box, body: Co<unknown>): Promise<void> {
  box.kernel.kthread('test', body);
  await box.settle();
}

for (const profile of profiles) {
  describe(`/dev/hwrng as ${profile}`, () => {
    it('gives as many bytes as are asked for, and leaves nothing', async () => {
      using box = bootRng({ profile });
      const program = box.program();
      const fd = await open(program, O_RDONLY);
      const bytes = await read(program, fd, 1000);
      assert.ok(typeof bytes !== 'number');
      assert.equal(bytes.length, 1000);
      assert.ok(new Set(bytes).size > 200, 'random, as far as that can be seen');
      assert.equal(await show(box, 'rng_available'), 'optee-rng \n');
      assert.equal(await show(box, 'rng_current'), 'optee-rng\n');
      assert.equal(await show(box, 'rng_quality'), '1024\n');
      await program.exit();
      assert.deepEqual(box.leaks(), []);
    });

    it('is -ENODEV without its driver, which gives everything back', async () => {
      using box = bootRng({ profile });
      const program = box.program();
      const fd = await open(program, O_RDONLY);
      const [driver] = box.tee.bus.drivers;
      const { contexts } = box.tee;
      const [before, pages] = [contexts.size, box.kernel.pages.usedPages];
      await inKernel(box, box.tee.bus.unregisterDriver(driver!));
      assert.equal(contexts.size, before - 1);
      assert.equal(box.opteeOs.usage().sessions, 0);
      assert.ok(box.kernel.pages.usedPages < pages, 'the buffer is freed');
      assert.equal(await read(program, fd, 16), -ENODEV);
      assert.equal(await show(box, 'rng_current'), 'none\n');
      assert.equal(await show(box, 'rng_quality'), `-19`);
      await inKernel(box, box.tee.bus.registerDriver(driver!));
      const again = await read(program, fd, 16);
      assert.ok(typeof again !== 'number' && again.length === 16);
      assert.equal(box.halted, undefined);
    });
  });
}

describe('opening /dev/hwrng', () => {
  it('is for reading only', async () => {
    using box = bootRng();
    const program = box.program();
    assert.equal(await open(program, O_RDWR), -EINVAL);
    assert.equal(await open(program, O_WRONLY), -EINVAL);
    assert.ok((await open(program, O_RDONLY)) >= 0);
  });

  it('is possible before there is a generator', async () => {
    using box = boot({ kernelClients: ['optee-rng'] });
    const program = box.program();
    const fd = await open(program, O_RDONLY);
    assert.equal(await read(program, fd, 16), -ENODEV);
  });
});

describe('the generator of a TA', () => {
  it('with a rate is waited for once, as long as what is missing takes', async () => {
    const { ta, asked } = slow(1000, (size) => Math.min(size, 24));
    using box = boot({ tas: [ta], kernelClients: ['optee-rng'] });
    await box.settle();
    const program = box.program();
    const fd = await open(program, O_RDONLY);
    asked.length = 0;
    const start = box.sched.nowNs();
    const bytes = await read(program, fd, 48);
    assert.ok(typeof bytes !== 'number' && bytes.length === 48);
    assert.deepEqual(asked, [64, 40], '24 of 64, then 24 of the 40 that were missing');
    const ms = (box.sched.nowNs() - start) / 1e6;
    assert.ok(ms >= 40 && ms < 41, `${ms}`);
    assert.equal(await show(box, 'rng_quality'), '512\n');
  });

  it('without a rate, or without time, is asked once', async () => {
    for (const [rate, flags] of [
      [0, O_RDONLY],
      [1000, O_RDONLY | O_NONBLOCK],
    ] as const) {
      const { ta, asked } = slow(rate, (size) => Math.min(size, 24));
      using box = boot({ tas: [ta], kernelClients: ['optee-rng'] });
      await box.settle();
      const program = box.program();
      const fd = await open(program, flags);
      asked.length = 0;
      const bytes = await read(program, fd, 20);
      assert.ok(typeof bytes !== 'number' && bytes.length === 20);
      assert.deepEqual(asked, [64]);
    }
  });

  it('that refuses gives nothing: -EAGAIN at once, or a sleep that a signal ends', async () => {
    const { ta } = slow(0, () => ({ refuse: TEE_ERROR_HEALTH_TEST_FAIL }));
    using box = boot({ tas: [ta], kernelClients: ['optee-rng'], trace: 'worlds' });
    const program = box.program();
    const fast = await open(program, O_RDONLY | O_NONBLOCK);
    assert.equal(await read(program, fast, 16), -EAGAIN);
    assert.match(
      box.kernel.dmesg.text,
      /optee-rng optee-ta-ab7a.*TA_CMD_GET_ENTROPY invoke err: 1/,
    );
    await program.run(program.sys.rtSigaction(SIGTERM, { handler: () => {} }));
    const fd = await open(program, O_RDONLY);
    const pending = read(program, fd, 16);
    await box.settle();
    assert.equal(
      box.sched.blocked().some((task) => task.blocked?.site === 'hwrng'),
      true,
    );
    program.kill(SIGTERM);
    assert.equal(await pending, -EINTR);
    await program.exit();
    assert.deepEqual(box.leaks(), []);
  });

  it('that recovers is read on', async () => {
    let healthy = false;
    const { ta } = slow(0, (size) => (healthy ? size : { refuse: TEE_ERROR_HEALTH_TEST_FAIL }));
    using box = boot({ tas: [ta], kernelClients: ['optee-rng'] });
    const [first, second] = [box.program(), box.program()];
    const pending = read(first, await open(first, O_RDONLY), 16);
    await box.settle();
    healthy = true;
    const other = await read(second, await open(second, O_RDONLY), 16);
    assert.ok(typeof other !== 'number');
    const bytes = await pending;
    assert.ok(typeof bytes !== 'number' && bytes.length === 16);
  });

  it('that claims more than was asked for is caught by its driver', async () => {
    let lie = false;
    const { ta } = slow(0, (size) => (lie ? 4096 : size));
    using box = boot({ tas: [ta], kernelClients: ['optee-rng'] });
    await box.settle();
    const program = box.program();
    const fd = await open(program, O_RDONLY);
    lie = true;
    await assert.rejects(read(program, fd, 16), { name: 'BoxHalted' });
    assert.equal(box.halted?.text, 'optee-rng: 4096 bytes are copied to a buffer of 64');
  });

  it('that does not say what it is cannot be used', () => {
    const ta = peerTa(PTA_RNG_UUID, { invoke: () => TEE_ERROR_HEALTH_TEST_FAIL });
    using box = boot({ tas: [ta], kernelClients: ['optee-rng'] });
    assert.match(box.kernel.dmesg.text, /TA_CMD_GET_RNG_INFO invoke err: 1/);
    assert.match(box.kernel.dmesg.text, /probe of optee-ta-ab7a.* failed with error -22/);
    assert.equal(box.opteeOs.usage().sessions, 0);
    assert.deepEqual(box.leaks(), []);
  });
});

describe('kernels differ in', () => {
  /** What the TEE was asked for while the driver was loaded, and the quality that is shown. */
  async function first(
    profile: ProfileName,
  ): Promise<{ asked: readonly number[]; quality: string }> {
    const asked: number[] = [];
    const ta = rngTa((command, _types, params) => {
      if (command === 0) asked.push(params[0].memref.size);
      return 0;
    });
    using box = boot({ tas: [ta], kernelClients: ['optee-rng'], profile });
    await box.settle();
    return { asked, quality: await show(box, 'rng_quality') };
  }

  it('what an unknown quality is worth, and what is read at once', async () => {
    assert.deepEqual(await first('linux-7.3'), { asked: [64], quality: '1024\n' });
    const old = await first('linux-6.1');
    assert.equal(old.quality, '0\n');
    assert.deepEqual([...old.asked].sort(), [32, 64]);
  });
});
