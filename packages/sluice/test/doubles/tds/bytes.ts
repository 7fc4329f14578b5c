/** Little pieces of TDS messages as bytes; all numbers are little-endian unless a name says otherwise. */

const make = (length: number, write: (buffer: Buffer) => void): Buffer => {
  const buffer = Buffer.alloc(length)
  write(buffer)
  return buffer
}

export const u8 = (n: number): Buffer => Buffer.from([n & 255])
export const u16 = (n: number): Buffer => make(2, (b) => b.writeUInt16LE(n))
export const i16 = (n: number): Buffer => make(2, (b) => b.writeInt16LE(n))
export const u32 = (n: number): Buffer => make(4, (b) => b.writeUInt32LE(n))
export const i32 = (n: number): Buffer => make(4, (b) => b.writeInt32LE(n))
export const u64 = (n: bigint | number): Buffer => make(8, (b) => b.writeBigUInt64LE(BigInt(n)))
export const i64 = (n: bigint | number): Buffer => make(8, (b) => b.writeBigInt64LE(BigInt(n)))
export const f32 = (n: number): Buffer => make(4, (b) => b.writeFloatLE(n))
export const f64 = (n: number): Buffer => make(8, (b) => b.writeDoubleLE(n))

/** An unsigned number of any length. */
export const unsigned = (n: bigint, length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => Number((n >> BigInt(8 * i)) & 255n)))

export const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le')
/** Text with its number of characters in one byte. */
export const shortText = (text: string): Buffer => Buffer.concat([u8(text.length), utf16(text)])
/** Text with its number of characters in two bytes. */
export const longText = (text: string): Buffer => Buffer.concat([u16(text.length), utf16(text)])
export const join = (...parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts)

/** Latin1_General with code page 1252, as servers announce it. */
export const collation = Buffer.from([0x09, 0x04, 0xd0, 0x00, 0x34])
