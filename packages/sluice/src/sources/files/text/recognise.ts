/** What a file is by its first bytes, whatever its name says. */
import { closeSync, openSync, readSync } from 'node:fs'

/** What is recognised; anything else is taken for text. */
export type FileKind =
  | 'gzip'
  | 'zip'
  | 'bzip2'
  | 'xz'
  | 'zstd'
  | 'lz4'
  | '7z'
  | 'parquet'
  | 'Excel'
  | 'PDF'
  | 'utf-16le'
  | 'utf-16be'

/** Long enough that no text begins so by chance. */
const beginnings: readonly (readonly [FileKind, string])[] = [
  ['gzip', '1f8b08'],
  ['zip', '504b0304'],
  ['zip', '504b0506'],
  ['bzip2', '425a683[1-9]314159265359'],
  ['bzip2', '425a683[1-9]177245385090'],
  ['xz', 'fd377a585a00'],
  ['zstd', '28b52ffd'],
  // A frame that may be skipped: parallel packers begin with one.
  ['zstd', '5[0-9a-f]2a4d18'],
  ['lz4', '04224d18'],
  ['7z', '377abcaf271c'],
  ['parquet', '50415231'],
  ['Excel', 'd0cf11e0a1b11ae1'],
  ['PDF', '255044462d'],
]

/**
 * What bytes are the beginning of; undefined for what may be text of one byte a character or UTF-8.
 *
 * @example kindOfBytes(Buffer.from('1f8b0800', 'hex')) // 'gzip'
 */
export function kindOfBytes(head: Buffer): FileKind | undefined {
  const hex = head.subarray(0, 16).toString('hex')
  const found = beginnings.find(([, pattern]) => new RegExp(`^${pattern}`).test(hex))
  return found?.[0] ?? wideText(head)
}

/** Text of two bytes a character without a byte order mark: of Latin letters every other byte is zero, and no other one is. */
function wideText(head: Buffer): FileKind | undefined {
  const units = Math.min(head.length, 64) >> 1
  if (units < 2) return undefined
  const zeros = (first: number): number => {
    let count = 0
    for (let at = first; at < units * 2; at += 2) if (head[at] === 0) count++
    return count
  }
  if (zeros(1) === units && zeros(0) === 0) return 'utf-16le'
  return zeros(0) === units && zeros(1) === 0 ? 'utf-16be' : undefined
}

/**
 * What a local file is.
 *
 * @example kindOfFile('/project/inbox/sales.csv') // undefined
 */
export function kindOfFile(file: string): FileKind | undefined {
  const head = Buffer.alloc(64)
  const descriptor = openSync(file, 'r')
  try {
    return kindOfBytes(head.subarray(0, readSync(descriptor, head, 0, head.length, 0)))
  } finally {
    closeSync(descriptor)
  }
}

/**
 * A kind as it stands in a sentence.
 *
 * @example kindInWords('zip') // 'a zip file'
 */
export const kindInWords = (kind: FileKind): string =>
  `${['Excel', 'xz', 'lz4'].includes(kind) ? 'an' : 'a'} ${kind} file`
