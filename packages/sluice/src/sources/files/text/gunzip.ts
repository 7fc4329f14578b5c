/** Unpacks gzip files whole or not at all, within limits on size and ratio. */
import { createReadStream, createWriteStream } from 'node:fs'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { isSluiceError, sluiceError } from '../../../base/errors.ts'

/** How far a file may grow. */
export interface UnpackLimits {
  readonly maxBytes: number
  readonly maxRatio: number
}

/** The defaults of `limits`. */
export const gunzipLimits: UnpackLimits = { maxBytes: 20 * 1024 ** 3, maxRatio: 200 }

/** Below this the ratio says nothing. */
const ratioFloor = 1024 * 1024

/**
 * Unpacks `from` into `to`; all members of the archive, and nothing after them.
 *
 * @throws Source.CompressionLimit, Source.ArchiveCorrupt
 */
export async function gunzipFile(
  name: string,
  from: string,
  to: string,
  bytes: number,
  limits: UnpackLimits,
  signal?: AbortSignal,
): Promise<void> {
  const gunzip = createGunzip()
  try {
    await pipeline(
      createReadStream(from),
      gunzip,
      meterOf(name, bytes, limits),
      createWriteStream(to, { flags: 'wx' }),
      {
        ...(signal === undefined ? {} : { signal }),
      },
    )
  } catch (error) {
    signal?.throwIfAborted()
    if (isSluiceError(error) || !String((error as NodeJS.ErrnoException).code).startsWith('Z_')) throw error
    throw sluiceError('Source.ArchiveCorrupt', { file: name, why: (error as Error).message }, { cause: error })
  }
  // zlib stops in silence at bytes that are no further member.
  if (gunzip.bytesWritten !== bytes) {
    const why = `${bytes - gunzip.bytesWritten} bytes follow its end`
    throw sluiceError('Source.ArchiveCorrupt', { file: name, why })
  }
}

/**
 * Lets unpacked bytes pass, within limits.
 *
 * @example await pipeline(packed, decoder, meterOf(name, bytes, limits), file)
 * @param bytes of the packed file
 */
export function meterOf(name: string, bytes: number, limits: UnpackLimits): Transform {
  let written = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      written += chunk.length
      const over =
        written > limits.maxBytes
          ? `${limits.maxBytes} bytes`
          : written > ratioFloor && written > bytes * limits.maxRatio
            ? `${limits.maxRatio} times its packed size`
            : undefined
      done(over === undefined ? null : sluiceError('Source.CompressionLimit', { file: name, limit: over }), chunk)
    },
  })
}
