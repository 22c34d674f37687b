/**
 * The network as the outside gives it: streams and datagrams to a peer, and names. Nothing here
 * blocks; what happens is told through events, never before the call that caused it has returned.
 */

export interface HostEndpoint {
  /** IP version. */
  readonly family: 4 | 6;
  /** Numeric. */
  readonly address: string;
  readonly port: number;
}

/** Host byte order is nobody's business here: ports and addresses are values. */
export type HostAddress = Omit<HostEndpoint, 'port'>;

/** What a socket of the outside tells. After `failed` nothing follows of a stream. */
export interface HostSocketEvents {
  /** The stream stands, or datagrams have their peer. */
  connected(local: HostEndpoint): void;
  /** A piece of the stream, or one datagram; the receiver may keep the bytes. */
  data(bytes: Uint8Array): void;
  /** The other end of the stream sends no more. */
  ended(): void;
  /** @param code an errno name, such as ECONNREFUSED. */
  failed(code: string): void;
}

export interface HostSocket {
  /** Takes a copy. `sent` is called when the outside has the bytes; not after `failed` or `close`. */
  send(data: Uint8Array, sent: () => void): void;
  /**
   * Datagrams: another peer from now on; `connected` or `failed` follows, and after `failed` the
   * peer is the one before.
   */
  reconnect(peer: HostEndpoint): void;
  /** Streams: `data` waits until `resume`. */
  pause(): void;
  resume(): void;
  /** Streams: sends no more, receives on. */
  end(): void;
  /** No event follows; what was sent still goes out. */
  close(): void;
}

export interface HostNet {
  /**
   * Finds the addresses of a host, in the order in which they are to be tried.
   * @param family 0 for either.
   * @param found is given none for a name that has no address.
   */
  resolve(
    host: string,
    family: 0 | 4 | 6,
    found: (addresses: readonly HostAddress[]) => void,
  ): void;
  connect(kind: 'stream' | 'datagram', peer: HostEndpoint, events: HostSocketEvents): HostSocket;
  /** Closes what is still open; the net is not used afterwards. */
  close(): void;
}

const IPV4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;
const IPV6 = /^[\da-f:]*:[\da-f:.]*(%\w+)?$/i;

/** The address that a host is, when it is not a name (AI_NUMERICHOST). */
export function numericAddress(host: string): HostAddress | undefined {
  if (IPV4.test(host)) return { family: 4, address: host };
  return IPV6.test(host) ? { family: 6, address: host } : undefined;
}
