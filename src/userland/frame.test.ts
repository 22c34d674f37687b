/** A frame's place in RAM follows what happens to its page. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PAGE_SIZE } from '../machine/address.ts';
import { Frame } from './frame.ts';
import { UserBox } from './testing/tee-box.ts';

const SIZE = 256;
const NOT_MAPPED = /its stack is not mapped/;

describe('a stack frame', () => {
  it('moves with its page when a child shares it', async () => {
    const { program } = new UserBox().client();
    const frame = new Frame(program, SIZE);
    const { base } = frame;
    assert.equal(frame.refresh(), base);
    const page = program.process.mm.fork();
    assert.ok(page !== undefined);
    assert.notEqual(frame.refresh(), base, 'copied on write');
    page.destroy();
    await program.exit();
  });

  it('is an error, each time, when it is not mapped any more', async () => {
    const { program } = new UserBox().client();
    const frame = new Frame(program, SIZE);
    program.process.mm.munmap(frame.at - (frame.at % PAGE_SIZE), PAGE_SIZE);
    for (let n = 0; n < 2; n++) assert.throws(() => frame.refresh(), NOT_MAPPED);
    await program.exit();
  });

  it('is gone with its program’s memory', async () => {
    const { program } = new UserBox().client();
    const frame = new Frame(program, SIZE);
    await program.run(program.sys.execve('other'));
    assert.throws(() => frame.refresh(), NOT_MAPPED);
    await program.exit();
  });
});
