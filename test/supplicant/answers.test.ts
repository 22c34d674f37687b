/**
 * The built-in tee-supplicant and the public one, unmodified, are asked the same: each answers as the
 * other does, byte for byte. TEEBOX_PUBLIC_SUPPLICANT is the public one's command line (with
 * `--plugin-path DIR` of the syslog plugin); its directories are given here.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import {
  TEE_ISOCKET_PROTOCOLID_TCP,
  TEE_ISOCKET_PROTOCOLID_UDP,
  TEE_TCP_SET_RECVBUF,
  TEE_UDP_CHANGEADDR,
  TEE_UDP_CHANGEPORT,
} from '../../src/abi/gp-socket.ts';
import {
  OPTEE_RPC_CMD,
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_CMD_GPROF,
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_RPMB,
  OPTEE_RPC_CMD_SOCKET,
  OPTEE_RPC_CMD_SUPP_PLUGIN,
  OPTEE_RPC_FS_CREATE,
  OPTEE_RPC_FS_OPEN,
  OPTEE_RPC_FS_OPENDIR,
  OPTEE_RPC_FS_READ,
  OPTEE_RPC_FS_READDIR,
  OPTEE_RPC_FS_REMOVE,
  OPTEE_RPC_FS_WRITE,
  OPTEE_RPC_SOCKET_CLOSE,
  OPTEE_RPC_SOCKET_CLOSE_ALL,
  OPTEE_RPC_SOCKET_IOCTL,
  OPTEE_RPC_SOCKET_OPEN,
  OPTEE_RPC_SOCKET_RECV,
  OPTEE_RPC_SOCKET_SEND,
  RPMB_CMD_DATA_REQ,
  RPMB_CMD_GET_DEV_INFO,
  RPMB_DATA_FRAME_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
  RpmbDataFrame,
  RpmbDevInfo,
  RpmbReq,
} from '../../src/abi/optee-rpc.ts';
import { parseUuid } from '../../src/abi/uuid.ts';
import { TeeParam } from '../../src/linux/tee/tee-drv.ts';
import { SYSLOG_PLUGIN_UUID } from '../../examples/plugins/plugin-ta.ts';
import { Asked } from './asked.ts';
import {
  INOUT,
  INPUT,
  OUTPUT,
  Transcript,
  VALUE,
  VALUE_IN,
  VALUE_OUT,
  nothing,
  value,
} from './transcript.ts';

const { TEEBOX_PUBLIC_SUPPLICANT: command } = process.env;
const skip = command === undefined ? 'TEEBOX_PUBLIC_SUPPLICANT names no supplicant' : false;

const root = mkdtempSync(join(tmpdir(), 'teebox-supplicant-'));
after(() => rmSync(root, { recursive: true, force: true }));

type Script = (t: Transcript) => Promise<void>;

/** Both supplicants on directories of their own that hold the same. */
async function compare(script: Script, prepare: (storage: string) => void = () => {}) {
  const transcripts: (readonly string[])[] = [];
  for (const which of ['public', 'builtin']) {
    const base = mkdtempSync(join(root, `${which}-`));
    const directories = { tas: join(base, 'tas'), storage: join(base, 'tee') };
    for (const path of Object.values(directories)) mkdirSync(path);
    writeFileSync(join(directories.tas, `${TA}.ta`), Buffer.alloc(5000, 'ta'));
    prepare(directories.storage);
    const asked =
      which === 'public' ? await Asked.native(command!, directories) : Asked.builtin(directories);
    const transcript = new Transcript(asked);
    try {
      await script(transcript);
    } finally {
      await asked.close();
    }
    transcripts.push(transcript.lines);
  }
  const [fromPublic, fromBuiltin] = transcripts;
  assert.deepEqual(fromBuiltin, fromPublic);
  assert.ok(fromPublic!.length > 0);
}

const TA = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';

function uuidWords(uuid: string): readonly number[] {
  const view = new DataView(parseUuid(uuid).buffer);
  return [0, 4, 8, 12].map((at) => view.getUint32(at, true));
}

describe('both supplicants', { skip }, () => {
  it('load TAs', async () => {
    const uuid = (text: string): TeeParam => {
      const [aLo = 0, aHi = 0, bLo = 0, bHi = 0] = uuidWords(text);
      return Object.assign(new TeeParam(), { attr: VALUE_IN, aLo, aHi, bLo, bHi });
    };
    await compare(async (t) => {
      const load = async (what: string, ...params: readonly TeeParam[]): Promise<void> => {
        await t.ask(what, OPTEE_RPC_CMD_LOAD_TA, params);
      };
      await load('size', uuid(TA), nothing(OUTPUT));
      await load('small', uuid(TA), await t.asked.memref(OUTPUT, new Uint8Array(4999)));
      await load('fits', uuid(TA), await t.asked.memref(OUTPUT, new Uint8Array(5000)));
      await load('large', uuid(TA), await t.asked.memref(OUTPUT, new Uint8Array(6000)));
      await load('another', uuid(SYSLOG_PLUGIN_UUID), nothing(OUTPUT));
      await load('input', uuid(TA), nothing(INPUT));
      await load('one', uuid(TA));
      await load('wrong', nothing(OUTPUT), nothing(OUTPUT));
    });
  });

  it('keep files', async () => {
    await compare(async (t) => {
      await t.open(OPTEE_RPC_FS_OPEN, 'a');
      const a = await t.create('a', 'hello');
      await t.read(a, 10);
      await t.read(a, 2, 2);
      await t.read(a, 10, 5);
      await t.read(a, 10, 500);
      await t.read(a, 10, -1);
      await t.write(a, 'far', 10);
      await t.read(a, 20);
      await t.write(a, 'x', -1);
      await t.truncate(a, 3);
      await t.truncate(a, 6);
      await t.truncate(a, -1);
      await t.read(a, 20);
      await t.close(a);
      await t.close(a);
      await t.read(a, 1);
      await t.write(1000, 'x');
      await t.truncate(1000, 1);
      await t.create('a');
      const again = await t.open(OPTEE_RPC_FS_OPEN, 'a');
      await t.read(again, 20);
      await t.read(again, 0);
      await t.close(again);
    });
  });

  it('make and remove directories', async () => {
    await compare(
      async (t) => {
        await t.create('d/f', 'in d');
        await t.create('d/g');
        await t.create('e/f/g');
        await t.create('e/f/g');
        await t.create('e/f/h/i/j');
        await t.create('a/very/../long/./name');
        await t.open(OPTEE_RPC_FS_OPEN, '/absolute');
        await t.open(OPTEE_RPC_FS_OPEN, '');
        await t.open(OPTEE_RPC_FS_OPEN, 'd');
        await t.open(OPTEE_RPC_FS_CREATE, 'd');
        await t.open(OPTEE_RPC_FS_CREATE, 'd/f/below a file');
        await t.open(OPTEE_RPC_FS_OPEN, 'n'.repeat(300));
        await t.open(OPTEE_RPC_FS_CREATE, 'n'.repeat(300));
        await t.open(OPTEE_RPC_FS_OPEN, 'n'.repeat(5000));
        await t.list('d');
        await t.list('e');
        await t.remove('d');
        await t.remove('d/f');
        await t.list('d');
        await t.remove('d/g');
        await t.list('d');
        await t.remove('d/g');
        await t.remove('e/f/g');
        await t.list('e');
        await t.list('hidden');
        await t.list('empty');
        await t.list('.');
        await t.list('missing');
        await t.list('long', 8);
        await t.list('long/file-with-a-long-name');
      },
      (storage) => {
        for (const name of ['hidden', 'empty', 'long']) mkdirSync(join(storage, name));
        writeFileSync(join(storage, 'hidden/.file'), '');
        writeFileSync(join(storage, 'long/file-with-a-long-name'), '');
        writeFileSync(join(storage, 'long/short'), '');
      },
    );
  });

  it('rename', async () => {
    await compare(async (t) => {
      const one = await t.create('one', '1');
      await t.create('two', '2');
      await t.rename('one', 'two');
      await t.rename('one', 'two', 1);
      await t.read(one, 9);
      await t.rename('two', 'three');
      await t.rename('missing', 'four');
      await t.rename('missing', 'four', 1);
      await t.rename('three', 'no/such/place');
      await t.create('d/f');
      await t.rename('d', 'three', 1);
      await t.rename('three', 'd', 1);
      await t.rename('three', 'three', 1);
      await t.rename('three', '', 1);
      await t.list('.');
    });
  });

  it('refuse file requests of another form', async () => {
    await compare(async (t) => {
      const name = await t.asked.memref(INPUT, 'f\0', 'name');
      const ask = async (what: string, ...params: readonly TeeParam[]): Promise<void> => {
        await t.ask(what, OPTEE_RPC_CMD_FS, params);
      };
      await ask('none');
      await ask('no command', value(VALUE_IN, 99));
      await ask('a memref for one', name);
      await ask('two of three', value(VALUE_IN, OPTEE_RPC_FS_OPEN), name);
      await ask('in for out', value(VALUE_IN, OPTEE_RPC_FS_OPEN), name, value(VALUE_IN));
      await ask('inout', value(VALUE, OPTEE_RPC_FS_OPEN), name, value(VALUE_OUT));
      await ask('no name', value(VALUE_IN, OPTEE_RPC_FS_REMOVE), nothing(INPUT));
      await ask('no buffer', value(VALUE_IN, OPTEE_RPC_FS_READ, 3), nothing(OUTPUT));
      await ask('no data', value(VALUE_IN, OPTEE_RPC_FS_WRITE, 3), nothing(INPUT));
      await ask('no handle', value(VALUE_IN, OPTEE_RPC_FS_READDIR, 7), nothing(OUTPUT));
      await ask('no directory', value(VALUE_IN, OPTEE_RPC_FS_OPENDIR), nothing(INPUT));
    });
  });

  it('emulate RPMB', async () => {
    await compare(async (t) => {
      const request = (cmd: number, frames: readonly Uint8Array[] = []): Uint8Array => {
        const head = new Uint8Array(RpmbReq.byteLength);
        RpmbReq.cmd.set(new DataView(head.buffer), 0, cmd);
        return Buffer.concat([head, ...frames]);
      };
      const frame = (type: number, fill: (view: DataView) => void = () => {}): Uint8Array => {
        const bytes = new Uint8Array(RPMB_DATA_FRAME_SIZE);
        const view = new DataView(bytes.buffer);
        RpmbDataFrame.msgType.set(view, 0, type);
        RpmbDataFrame.nonce.bytes(view, 0).fill(0x5a);
        fill(view);
        return bytes;
      };
      const ask = async (what: string, bytes: Uint8Array, room: number): Promise<void> => {
        const req = await t.asked.memref(INPUT, bytes, 'request');
        const rsp = await t.asked.memref(OUTPUT, new Uint8Array(room), 'response');
        await t.ask(what, OPTEE_RPC_CMD_RPMB, [req, rsp]);
      };
      const data = (what: string, frames: readonly Uint8Array[], responses = 1): Promise<void> =>
        ask(what, request(RPMB_CMD_DATA_REQ, frames), responses * RPMB_DATA_FRAME_SIZE);
      const counter = frame(RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ);
      const program = frame(RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM, (view) =>
        RpmbDataFrame.keyMac.bytes(view, 0).fill(0x11),
      );
      const write = frame(RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE, (view) =>
        RpmbDataFrame.blockCount.set(view, 0, 1),
      );
      const read = frame(RPMB_MSG_TYPE_REQ_AUTH_DATA_READ, (view) =>
        RpmbDataFrame.blockCount.set(view, 0, 1),
      );
      await ask('info', request(RPMB_CMD_GET_DEV_INFO), RpmbDevInfo.byteLength);
      await ask('info of another size', request(RPMB_CMD_GET_DEV_INFO), 7);
      await ask('no such command', request(0x77), 7);
      await data('counter without key', [counter]);
      await data('read without key', [read]);
      await data('program', [program]);
      await data('program again', [program]);
      await data('counter', [counter]);
      await data('counter, two responses', [counter], 2);
      await data('write with a wrong MAC', [write]);
      await data('read', [read]);
      await data('no such type', [frame(0x77)]);
      await data('two types', [write, read]);
      await t.ask('one parameter', OPTEE_RPC_CMD_RPMB, [nothing(INPUT)]);
    });
  });

  it('connect TCP sockets', async () => {
    const server = createServer((socket) => socket.pipe(socket))
      .listen(0, '127.0.0.1')
      .unref();
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await compare(async (t) => {
      const handle = await openSocket(t, TEE_ISOCKET_PROTOCOLID_TCP, port);
      await send(t, handle, 'hello');
      await receive(t, handle, 3);
      await receive(t, handle, 9);
      await receive(t, handle, 9, 10);
      await receive(t, handle, 0, 10);
      await socketIoctl(t, handle, TEE_TCP_SET_RECVBUF, Uint8Array.of(0, 32, 0, 0));
      await socketIoctl(t, handle, TEE_TCP_SET_RECVBUF, Uint8Array.of(0, 32));
      await socketIoctl(t, handle, TEE_UDP_CHANGEPORT, Uint8Array.of(0, 32));
      const second = await openSocket(t, TEE_ISOCKET_PROTOCOLID_TCP, port, 'localhost', 0);
      await closeSocket(t, handle);
      await openSocket(t, TEE_ISOCKET_PROTOCOLID_TCP, port);
      await send(t, second, 'x');
      await t.ask('close all', OPTEE_RPC_CMD_SOCKET, [
        value(VALUE_IN, OPTEE_RPC_SOCKET_CLOSE_ALL, INSTANCE),
      ]);
      await openSocket(t, TEE_ISOCKET_PROTOCOLID_TCP, port);
    });
    server.close();
  });

  it('refuse what nobody listens to, and hosts and protocols that there are not', async () => {
    const server = createServer().listen(0, '127.0.0.1').unref();
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    await compare(async (t) => {
      await openSocket(t, TEE_ISOCKET_PROTOCOLID_TCP, port);
      await openSocket(t, TEE_ISOCKET_PROTOCOLID_TCP, port, '256.256.256.256');
      await openSocket(t, TEE_ISOCKET_PROTOCOLID_TCP, port, '::1', 1);
      await openSocket(t, TEE_ISOCKET_PROTOCOLID_TCP, port, '127.0.0.1', 3);
      await openSocket(t, 0x77, port);
      const unfinished = await t.asked.memref(INPUT, '127.0.0.1', 'host');
      await t.ask('no end of the name', OPTEE_RPC_CMD_SOCKET, [
        value(VALUE_IN, OPTEE_RPC_SOCKET_OPEN, INSTANCE),
        value(VALUE_IN, port, TEE_ISOCKET_PROTOCOLID_TCP, 1),
        unfinished,
        value(VALUE_OUT),
      ]);
      await closeSocket(t, 0);
      await t.ask('no sub-command', OPTEE_RPC_CMD_SOCKET, [value(VALUE_IN, 99)]);
      await t.ask('no parameters', OPTEE_RPC_CMD_SOCKET, []);
    });
  });

  it('connect UDP sockets', async () => {
    const server = createSocket('udp4', (bytes, { port, address }) =>
      server.send(bytes, port, address),
    );
    server.unref().bind(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    await compare(async (t) => {
      const handle = await openSocket(t, TEE_ISOCKET_PROTOCOLID_UDP, port);
      await send(t, handle, 'hello');
      await receive(t, handle, 9, 1000);
      await send(t, handle, 'longer than the room');
      await receive(t, handle, 5, 1000);
      await receive(t, handle, 9, 10);
      await receive(t, handle, 0, 10);
      await socketIoctl(t, handle, TEE_UDP_CHANGEADDR, 'localhost\0');
      await socketIoctl(t, handle, TEE_UDP_CHANGEADDR, 'localhost');
      await socketIoctl(t, handle, TEE_UDP_CHANGEPORT, Uint8Array.of(1));
      await socketIoctl(t, handle, TEE_UDP_CHANGEPORT, Uint8Array.of(port & 0xff, port >> 8));
      await socketIoctl(t, handle, TEE_TCP_SET_RECVBUF, Uint8Array.of(0, 32, 0, 0));
      await send(t, handle, 'again');
      await receive(t, handle, 9, 1000);
      await closeSocket(t, handle);
    });
    server.close();
  });

  it('call plugins', async () => {
    const [one = 0, two = 0, three = 0, four = 0] = uuidWords(SYSLOG_PLUGIN_UUID);
    await compare(async (t) => {
      const data = await t.asked.memref(INOUT, 'teebox tests its plugins');
      const call = async (what: string, cmd: number, plugin = one, sub = 0): Promise<void> => {
        await t.ask(what, OPTEE_RPC_CMD_SUPP_PLUGIN, [
          value(VALUE_IN, sub, plugin, two),
          value(VALUE_IN, three, four, cmd),
          value(VALUE, 7),
          data,
        ]);
      };
      await call('syslog', 0);
      await call('no such command', 1);
      await call('no such plugin', 0, 1);
      await call('no such sub-command', 0, one, 1);
      await t.ask('no parameters', OPTEE_RPC_CMD_SUPP_PLUGIN, []);
    });
  });

  it('answer what they do not serve', async () => {
    await compare(async (t) => {
      for (const [name, func] of Object.entries(OPTEE_RPC_CMD)) {
        if (func === OPTEE_RPC_CMD_GPROF) continue;
        await t.ask(name, func, []);
        await t.ask(`${name} with a value`, func, [value(VALUE, 0, 0, 0x7777)]);
      }
    });
  });

  it('serve several requests at a time', async () => {
    const server = createServer((socket) => socket.on('data', () => {}))
      .listen(0, '127.0.0.1')
      .unref();
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await compare(async (t) => {
      const handle = await openSocket(t, TEE_ISOCKET_PROTOCOLID_TCP, port);
      const room = await t.asked.memref(OUTPUT, new Uint8Array(4));
      const recv = [
        value(VALUE_IN, OPTEE_RPC_SOCKET_RECV, INSTANCE, handle),
        room,
        value(VALUE_IN, 1000),
      ];
      const both = await t.asked.askAll(
        [OPTEE_RPC_CMD_SOCKET, recv],
        [OPTEE_RPC_CMD_FS, [value(VALUE_IN, 99)]],
      );
      t.note(both.map(({ ret }) => ret.toString(16)).join(' '));
      // One for each of the two that were served, and one more.
      await t.asked.until(() => t.asked.waiting === 3);
      t.note(`${t.asked.waiting} threads wait`);
    });
    server.close();
  });
});

const INSTANCE = 5;

async function openSocket(
  t: Transcript,
  protocol: number,
  port: number,
  host = '127.0.0.1',
  ipVersion = 1,
): Promise<number> {
  const handle = value(VALUE_OUT);
  await t.ask(`open ${protocol} ${host} ${ipVersion}`, OPTEE_RPC_CMD_SOCKET, [
    value(VALUE_IN, OPTEE_RPC_SOCKET_OPEN, INSTANCE),
    value(VALUE_IN, port, protocol, ipVersion),
    await t.asked.memref(INPUT, `${host}\0`, 'host'),
    handle,
  ]);
  return handle.aLo;
}

async function send(t: Transcript, handle: number, text: string): Promise<void> {
  await t.ask(`send ${text}`, OPTEE_RPC_CMD_SOCKET, [
    value(VALUE_IN, OPTEE_RPC_SOCKET_SEND, INSTANCE, handle),
    await t.asked.memref(INPUT, text),
    value(VALUE, 1000),
  ]);
}

async function receive(t: Transcript, handle: number, room: number, ms = 1000): Promise<void> {
  await t.ask(`receive ${room} ${ms}`, OPTEE_RPC_CMD_SOCKET, [
    value(VALUE_IN, OPTEE_RPC_SOCKET_RECV, INSTANCE, handle),
    await t.asked.memref(OUTPUT, new Uint8Array(room), 'room'),
    value(VALUE_IN, ms),
  ]);
}

async function socketIoctl(
  t: Transcript,
  handle: number,
  code: number,
  argument: Uint8Array | string,
): Promise<void> {
  await t.ask(`ioctl ${code.toString(16)}`, OPTEE_RPC_CMD_SOCKET, [
    value(VALUE_IN, OPTEE_RPC_SOCKET_IOCTL, INSTANCE, handle),
    await t.asked.memref(INOUT, argument),
    value(VALUE_IN, code),
  ]);
}

async function closeSocket(t: Transcript, handle: number): Promise<void> {
  await t.ask('close socket', OPTEE_RPC_CMD_SOCKET, [
    value(VALUE_IN, OPTEE_RPC_SOCKET_CLOSE, INSTANCE, handle),
  ]);
}
