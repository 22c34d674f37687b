/** The few protobuf encodings that Perfetto's trace packets need (protobuf.dev, "Encoding"). */

const utf8 = new TextEncoder();

/** A message under construction. Numbers are unsigned and exact up to 2^53. */
export class Message {
  #bytes = new Uint8Array(64);
  #length = 0;

  /** The encoded message. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  varint(field: number, value: number): this {
    this.#tag(field, 0);
    this.#varint(value);
    return this;
  }

  fixed64(field: number, value: number): this {
    this.#tag(field, 1);
    this.#reserve(8);
    const view = new DataView(this.#bytes.buffer);
    view.setUint32(this.#length, value >>> 0, true);
    view.setUint32(this.#length + 4, value / 2 ** 32, true);
    this.#length += 8;
    return this;
  }

  string(field: number, text: string): this {
    return this.bytes(field, utf8.encode(text));
  }

  message(field: number, message: Message): this {
    return this.bytes(field, message.finish());
  }

  bytes(field: number, bytes: Uint8Array): this {
    this.#tag(field, 2);
    this.#varint(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(n: number): void {
    if (this.#length + n <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + n));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
