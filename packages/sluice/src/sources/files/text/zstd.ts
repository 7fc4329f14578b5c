/** Unpacks zstd files whole or not at all. Node's decoder ends in silence at the first frame, and where a frame was cut: frames are found here. */
import { closeSync, createReadStream, createWriteStream, openSync, readSync } from 'node:fs'
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import { isSluiceError, sluiceError } from '../../../base/errors.ts'
import { meterOf, type UnpackLimits } from './gunzip.ts'

/** One frame of data: where it is in the file, and how many bytes it says that it unpacks to. */
export interface ZstdFrame {
  readonly start: number
  readonly end: number
  readonly unpacked: bigint | undefined
}

const { createZstdDecompress } = zlib as { readonly createZstdDecompress?: () => Transform }

/** Whether this Node unpacks zstd: from 22.15 on. */
export const hasZstd = createZstdDecompress !== undefined

/**
 * Unpacks `from` into `to`; all frames, and nothing between them or after them.
 *
 * @throws Source.ZstdUnavailable, Source.CompressionLimit, Source.ArchiveCorrupt
 */
export async function unzstdFile(
  name: string,
  from: string,
  to: string,
  bytes: number,
  limits: UnpackLimits,
  signal?: AbortSignal,
): Promise<void> {
  if (createZstdDecompress === undefined)
    throw sluiceError('Source.ZstdUnavailable', { file: name, node: process.version })
  const frames = zstdFrames(name, from, bytes)
  async function* unpacked(): AsyncGenerator<Buffer> {
    for (const { start, end, unpacked: promised } of frames) {
      const packed = createReadStream(from, { start, end: end - 1 })
      const decoder = createZstdDecompress!()
      // An error of the file would not reach who reads the decoder.
      packed.on('error', (error) => decoder.destroy(error))
      let found = 0
      try {
        for await (const chunk of packed.pipe(decoder) as AsyncIterable<Buffer>) {
          found += chunk.length
          yield chunk
        }
      } finally {
        packed.destroy()
      }
      if (promised !== undefined && BigInt(found) !== promised)
        throw corrupt(name, `a frame of it has ${found} bytes, and promises ${promised}`)
    }
  }
  try {
    await pipeline(
      unpacked,
      meterOf(name, bytes, limits),
      createWriteStream(to, { flags: 'wx' }),
      signal === undefined ? {} : { signal },
    )
  } catch (error) {
    signal?.throwIfAborted()
    const { code } = error as NodeJS.ErrnoException
    if (isSluiceError(error) || !/^(?:ZSTD_|ERR_ZSTD|Z_)/.test(String(code))) throw error
    throw corrupt(name, (error as Error).message, error)
  }
}

const corrupt = (file: string, why: string, cause?: unknown): Error =>
  sluiceError('Source.ArchiveCorrupt', { file, why }, ...(cause === undefined ? [] : [{ cause }]))

/**
 * The frames of a file (RFC 8878), found by their blocks' sizes; those that hold no data are left out.
 *
 * @example zstdFrames('x.csv.zst', '/project/inbox/x.csv.zst', 49) // [{ start: 0, end: 49, unpacked: 300000n }]
 * @throws Source.ArchiveCorrupt where the last frame is cut, or something else follows it
 */
export function zstdFrames(name: string, file: string, bytes: number): readonly ZstdFrame[] {
  const descriptor = openSync(file, 'r')
  const read = (at: number, length: number): Buffer => {
    const head = Buffer.alloc(length)
    if (at + length > bytes || readSync(descriptor, head, 0, length, at) < length)
      throw corrupt(name, 'it ends in the middle of a frame')
    return head
  }
  try {
    const frames: ZstdFrame[] = []
    let at = 0
    while (at < bytes) {
      const magic = read(at, 4).readUInt32LE()
      if (magic >>> 4 === 0x184d2a5) {
        at += 8 + read(at + 4, 4).readUInt32LE()
      } else if (magic === 0xfd2fb528) {
        const frame = dataFrame(name, at, read)
        frames.push(frame)
        at = frame.end
      } else throw corrupt(name, at === 0 ? 'it does not begin with a frame' : `${bytes - at} bytes follow its end`)
    }
    if (at > bytes || bytes === 0) throw corrupt(name, 'it ends in the middle of a frame')
    return frames
  } finally {
    closeSync(descriptor)
  }
}

function dataFrame(name: string, start: number, read: (at: number, length: number) => Buffer): ZstdFrame {
  const descriptor = read(start + 4, 1)[0]!
  const isSingle = (descriptor & 0x20) !== 0
  const dictionary = [0, 1, 2, 4][descriptor & 3]!
  if (dictionary > 0) throw corrupt(name, 'it was packed with a dictionary')
  let at = start + 5 + (isSingle ? 0 : 1)
  const width = [isSingle ? 1 : 0, 2, 4, 8][descriptor >>> 6]!
  const size = width === 0 ? undefined : littleEndian(read(at, width)) + (width === 2 ? 256n : 0n)
  at += width
  for (let isLast = false; !isLast; ) {
    const block = read(at, 3).readUIntLE(0, 3)
    isLast = (block & 1) === 1
    const type = (block >>> 1) & 3
    if (type === 3) throw corrupt(name, 'a block of it is of no known type')
    at += 3 + (type === 1 ? 1 : block >>> 3)
  }
  const end = at + ((descriptor & 4) === 0 ? 0 : 4)
  read(end - 1, 1)
  return { start, end, unpacked: size }
}

const littleEndian = (bytes: Buffer): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
