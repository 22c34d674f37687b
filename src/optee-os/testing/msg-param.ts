/** For tests: parameters of messages. */

/** One parameter of a message: attribute and the three fields of its union. */
export interface MsgParam {
  readonly attr: number;
  readonly a?: number | bigint;
  readonly b?: number | bigint;
  readonly c?: number | bigint;
}

/** A memory parameter by address. */
export const tmem = (attr: number, address: number, size: number, ref = 0): MsgParam => ({
  attr,
  a: address,
  b: size,
  c: ref,
});

/** A memory parameter by cookie. */
export const rmem = (attr: number, offset: number, size: number, cookie: number): MsgParam => ({
  attr,
  a: offset,
  b: size,
  c: cookie,
});
