/**
 * Positions in a server's write-ahead log: 64-bit numbers, written by PostgreSQL as two hexadecimal halves, `16/B374D848`.
 *
 * Kept as bigint, so that they compare with `<`; the text does not sort.
 */
import { sluiceError } from '../base/errors.ts'

/** A position in the write-ahead log, in bytes. */
export type Lsn = bigint

/**
 * Reads a position.
 *
 * @example parseLsn('16/B374D848') // 97500059720n
 * @throws Source.ChangeProtocol
 */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text)
  if (match === null)
    throw sluiceError('Source.ChangeProtocol', {
      why: 'what should be a position is none',
      message: 'position',
      bytes: text.length,
    })
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)
}

/**
 * Writes a position as the server does.
 *
 * @example printLsn(97500059720n) // '16/B374D848'
 */
export function printLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase()
}

/** The order of positions, for `sort`. @example [b, a].sort(compareLsn) */
export function compareLsn(a: Lsn, b: Lsn): number {
  return a < b ? -1 : a > b ? 1 : 0
}
