/** Reads a file once: its length, its SHA-256, and whether it begins and ends as Parquet does. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'

/** What the bytes of a file are. */
export interface FileDigest {
  readonly bytes: number
  readonly sha256: string
  /** `PAR1` at both ends (Parquet file format, "File format"). */
  readonly parquet: boolean
}

const magic = Buffer.from('PAR1')

/** @example (await digestFile('/data/part-0.parquet')).sha256 */
export async function digestFile(file: string): Promise<FileDigest> {
  const hash = createHash('sha256')
  let bytes = 0
  let head = Buffer.alloc(0)
  let tail = Buffer.alloc(0)
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
    if (head.length < magic.length) head = Buffer.concat([head, chunk]).subarray(0, magic.length)
    tail = Buffer.concat([tail, chunk.subarray(-magic.length)]).subarray(-magic.length)
  }
  return { bytes, sha256: hash.digest('hex'), parquet: bytes >= 12 && head.equals(magic) && tail.equals(magic) }
}
