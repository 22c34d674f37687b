import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SIGABRT } from '../../abi/fcntl.ts';
import { TEEC_ERROR_BAD_PARAMETERS, TEEC_SUCCESS } from '../../abi/gp.ts';
import { TEE_ISOCKET_ERROR_HOSTNAME, TEE_ISOCKET_PROTOCOLID_UDP } from '../../abi/gp-socket.ts';
import {
  OPTEE_RPC_CMD_SOCKET,
  OPTEE_RPC_SOCKET_CLOSE,
  OPTEE_RPC_SOCKET_CLOSE_ALL,
  OPTEE_RPC_SOCKET_OPEN,
} from '../../abi/optee-rpc.ts';
import { TestNet } from '../../linux/process/testing/test-net.ts';
import { UPSTREAM_USERLAND } from '../switches.ts';
import { INPUT, Supplicant, VALUE_IN, VALUE_OUT, value } from '../testing/supplicant.ts';

const INSTANCE = 7;
const IPV4 = 1;
const PORT = 9999;

/** A supplicant with one socket of the instance. */
function withSocket(quirkSocketHandleAborts: boolean): { started: Supplicant; handle: number } {
  const switches = { ...UPSTREAM_USERLAND, quirkSocketHandleAborts };
  const net = new TestNet();
  net.names.set('server', [{ family: 4, address: '127.0.0.1' }]);
  const started = new Supplicant({ net, switches }).start();
  const answer = started.ask(
    OPTEE_RPC_CMD_SOCKET,
    value(VALUE_IN, OPTEE_RPC_SOCKET_OPEN, INSTANCE),
    value(VALUE_IN, PORT, TEE_ISOCKET_PROTOCOLID_UDP, IPV4),
    started.memref(INPUT, 'server\0'),
    value(VALUE_OUT),
  );
  assert.equal(answer?.ret, TEEC_SUCCESS);
  return { started, handle: answer.params[3]!.a };
}

const close = (started: Supplicant, instance: number, handle: number): number | undefined =>
  started.result(OPTEE_RPC_CMD_SOCKET, value(VALUE_IN, OPTEE_RPC_SOCKET_CLOSE, instance, handle));

describe('opening', () => {
  const opening = (host: string, protocol: number, ipVersion: number): number | undefined => {
    const started = new Supplicant({ net: new TestNet(), switches: UPSTREAM_USERLAND }).start();
    return started.result(
      OPTEE_RPC_CMD_SOCKET,
      value(VALUE_IN, OPTEE_RPC_SOCKET_OPEN, INSTANCE),
      value(VALUE_IN, PORT, protocol, ipVersion),
      started.memref(INPUT, host),
      value(VALUE_OUT),
    );
  };
  const LONG = `${'x'.repeat(2000)}\0`;
  const ROWS: readonly (readonly [host: string, protocol: number, ip: number, expected: number])[] =
    [
      ['server', TEE_ISOCKET_PROTOCOLID_UDP, IPV4, TEE_ISOCKET_ERROR_HOSTNAME],
      ['server', 99, IPV4, TEE_ISOCKET_ERROR_HOSTNAME],
      ['server\0', 99, IPV4, TEEC_ERROR_BAD_PARAMETERS],
      ['server\0', TEE_ISOCKET_PROTOCOLID_UDP, 9, TEEC_ERROR_BAD_PARAMETERS],
      [LONG, 99, IPV4, TEEC_ERROR_BAD_PARAMETERS],
      [LONG, TEE_ISOCKET_PROTOCOLID_UDP, IPV4, TEE_ISOCKET_ERROR_HOSTNAME],
    ];
  for (const [host, protocol, ip, expected] of ROWS) {
    const name = JSON.stringify(host.slice(0, 8));
    it(`${name} of ${host.length} bytes, protocol ${protocol}, IP ${ip}: ${expected}`, () => {
      assert.equal(opening(host, protocol, ip), expected);
    });
  }
});

describe('handles of sockets', () => {
  it('are closed once', () => {
    const { started, handle } = withSocket(false);
    assert.equal(close(started, INSTANCE, handle), TEEC_SUCCESS);
    assert.equal(close(started, INSTANCE, handle), TEEC_ERROR_BAD_PARAMETERS);
  });

  it('are of an instance: another one has none', () => {
    const { started, handle } = withSocket(true);
    assert.equal(close(started, INSTANCE + 1, handle), TEEC_ERROR_BAD_PARAMETERS);
    assert.equal(started.signal, undefined);
    assert.equal(close(started, INSTANCE, handle), TEEC_SUCCESS);
  });

  it('that the instance does not have end the supplicant: an assertion fails', () => {
    const { started, handle } = withSocket(true);
    assert.equal(close(started, INSTANCE, handle + 1), undefined);
    assert.equal(started.signal, SIGABRT);
  });

  it('that the instance does not have are refused without quirkSocketHandleAborts', () => {
    const { started, handle } = withSocket(false);
    assert.equal(close(started, INSTANCE, handle + 1), TEEC_ERROR_BAD_PARAMETERS);
    assert.equal(started.signal, undefined);
  });

  it('all go together', () => {
    const { started, handle } = withSocket(false);
    const all = value(VALUE_IN, OPTEE_RPC_SOCKET_CLOSE_ALL, INSTANCE);
    assert.equal(started.result(OPTEE_RPC_CMD_SOCKET, all), TEEC_SUCCESS);
    assert.equal(close(started, INSTANCE, handle), TEEC_ERROR_BAD_PARAMETERS);
  });
});
