/** What the pages of a Parquet file say of its size: a footer may say anything, and the engine goes by the pages. */
import { closeSync, openSync, readSync } from 'node:fs'
import { quotePath } from '../sql/quote.ts'
import type { Session } from './engine.ts'
import { Reader } from './parquet-ids.ts'

/** What a file may come to. */
export interface PageSizes {
  /** Of all pages once they are unpacked, as far as they were looked at; the footer's own sum where no page needs a look. */
  readonly bytes: number
  /** Whether only reading it shows what it comes to: its pages are not those of its footer, or its texts are written as what they share. */
  readonly isUnclear: boolean
}

/** How many times its size a codec unpacks at most; others have no limit that matters here. */
const most: { readonly [codec: string]: number } = { UNCOMPRESSED: 1, SNAPPY: 24, LZ4: 256, LZ4_RAW: 256, GZIP: 1032 }

interface ChunkRow {
  readonly codec: string
  readonly shares: boolean
  readonly values: string
  readonly packed: string
  readonly unpacked: string
  readonly start: string
}

/**
 * Looks at the headers of a file's pages, where its packed bytes could come to more than `enough`.
 *
 * @example const { bytes, isUnclear } = await readPageSizes(session, file, size, 2 ** 30)
 * @param enough The answer may be any larger number where it is above this.
 */
export async function readPageSizes(
  session: Pick<Session, 'all'>,
  file: string,
  size: number,
  enough: number,
): Promise<PageSizes> {
  const chunks = await session.all<ChunkRow>(
    `SELECT compression AS codec, contains(encodings, 'DELTA_BYTE_ARRAY') AS shares, num_values::VARCHAR AS values, total_compressed_size::VARCHAR AS packed, total_uncompressed_size::VARCHAR AS unpacked, least(coalesce(nullif(dictionary_page_offset, 0), data_page_offset), data_page_offset)::VARCHAR AS start FROM parquet_metadata(${quotePath(file)})`,
  )
  const sum = (of: (chunk: ChunkRow) => number): number => chunks.reduce((total, chunk) => total + of(chunk), 0)
  const declared = sum(({ unpacked }) => Number(unpacked))
  // A text may be all of the one before it and nothing more: each may be as large as all that is written.
  const shared = sum(({ shares, values, unpacked }) => (shares ? Number(values) * Number(unpacked) : 0))
  const isUnclear = shared > enough
  const highest = sum(({ codec, packed }) => Number(packed) * (most[codec] ?? Number.POSITIVE_INFINITY))
  if (highest <= enough) return { bytes: declared, isUnclear }
  const descriptor = openSync(file, 'r')
  try {
    let bytes = 0
    for (const chunk of chunks) {
      const found = chunkBytes(descriptor, size, chunk, enough - bytes)
      if (found === undefined) return { bytes, isUnclear: true }
      bytes += found
      if (bytes > enough) break
    }
    return { bytes, isUnclear }
  } finally {
    closeSync(descriptor)
  }
}

/** The unpacked bytes of a chunk's pages; undefined where they are not what the footer says. */
function chunkBytes(descriptor: number, size: number, chunk: ChunkRow, enough: number): number | undefined {
  const end = Number(chunk.start) + Number(chunk.packed)
  if (end > size) return undefined
  let bytes = 0
  let values = 0
  for (let at = Number(chunk.start); at < end; ) {
    const page = pageAt(descriptor, at)
    if (page === undefined) return undefined
    bytes += page.unpacked
    values += page.values
    if (bytes > enough) return bytes
    at += page.length
  }
  return values === Number(chunk.values) ? bytes : undefined
}

/** A page by its header (parquet.thrift, PageHeader): its length in the file, its unpacked size, and its values. */
function pageAt(
  descriptor: number,
  at: number,
): { readonly length: number; readonly unpacked: number; readonly values: number } | undefined {
  // Statistics may make a header long.
  for (const room of [256, 64 * 1024]) {
    const head = Buffer.alloc(room)
    const held = head.subarray(0, readSync(descriptor, head, 0, room, at))
    try {
      const reader = new Reader(held)
      const members = reader.members()
      const number = (id: number): number => {
        const member = members.find((one) => one.id === id)
        return member === undefined ? -1 : new Reader(held, member.start).signed()
      }
      const data = members.find(({ id }) => id === 5 || id === 8)
      const values =
        data === undefined ? 0 : new Reader(held, new Reader(held, data.start).members()[0]?.start ?? 0).signed()
      const [unpacked, packed] = [number(2), number(3)]
      if (unpacked < 0 || packed < 0) return undefined
      return { length: reader.at + packed, unpacked, values }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
    }
  }
  return undefined
}
