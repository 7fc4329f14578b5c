/**
 * Puts an object under its key, by a condition on what is there. Every try of one writing carries one token: where an answer was lost, the object that
 * is there says whose it is, and nothing is written twice.
 */
import { randomUUID } from 'node:crypto'
import { crashPoint } from '../../base/crash.ts'
import { classifyError, failureOf } from './classify-error.ts'
import { type S3Bucket, tries } from './client.ts'

/** What is known of an object without its bytes. */
export interface ObjectHead {
  readonly bytes: number
  readonly etag: string
  readonly modifiedAt: Date
  readonly versionId: string | undefined
  /** The sha256 that it was written with; of another program's object there is none. */
  readonly sha256: string | undefined
  /** The token of its writing. */
  readonly writer: string | undefined
  readonly metadata: Readonly<Record<string, string>>
}

/** The names under which an object says what its bytes are, and which writing it is of. */
export const metadataNames = { sha256: 'sluice-sha256', writer: 'sluice-writer' } as const

/** What must hold for an object to be put: nothing is there, or this is. */
export type Condition = { readonly IfNoneMatch: '*' } | { readonly IfMatch: string }

/** Puts the object once, if the condition holds; the answer is its tag. */
export type PutOnce = (condition: Condition, metadata: Readonly<Record<string, string>>) => Promise<string>

/** What is at a key now; undefined where nothing is. @example (await headOf(bucket, 'lake/x'))?.etag */
export async function headOf(bucket: S3Bucket, key: string): Promise<ObjectHead | undefined> {
  const { HeadObjectCommand } = bucket.sdk
  const found = await bucket.ask(key, (client) => client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: key })))
  if (found === undefined) return undefined
  return {
    bytes: found.ContentLength ?? 0,
    etag: found.ETag ?? '',
    modifiedAt: inSeconds(found.LastModified),
    versionId: found.VersionId,
    sha256: found.Metadata?.[metadataNames.sha256],
    writer: found.Metadata?.[metadataNames.writer],
    metadata: found.Metadata ?? {},
  }
}

/** A header has seconds, a listing may have more: an object has one time. @example inSeconds(Contents.LastModified) */
export function inSeconds(time: Date | undefined): Date {
  return new Date(Math.floor((time?.getTime() ?? 0) / 1000) * 1000)
}

/** How an object is put. */
export interface PlaceOptions {
  readonly sha256: string
  /** Only where nothing is; or in place of whatever is there. */
  readonly mode: 'create' | 'replace'
  /** The tag of what is probably there: saves a question. */
  readonly expected?: string | undefined
}

/**
 * The tag of the object that was put; undefined where `create` found another writer's.
 *
 * @example await placeObject(bucket, key, { sha256: sha256(bytes), mode: 'create' }, putBytes(bucket, key, bytes))
 * @throws the registry's errors; what was written without an answer is found by the next try of the same work
 */
export async function placeObject(
  bucket: S3Bucket,
  key: string,
  { sha256, mode, expected }: PlaceOptions,
  put: PutOnce,
): Promise<string | undefined> {
  const writer = randomUUID()
  const metadata = { [metadataNames.sha256]: sha256, [metadataNames.writer]: writer }
  let there = mode === 'replace' ? expected : undefined
  for (let attempt = 1; ; attempt++) {
    try {
      const tag = await put(there === undefined ? { IfNoneMatch: '*' } : { IfMatch: there }, metadata)
      crashPoint('storage.s3.after_put')
      return tag
    } catch (error) {
      const failure = failureOf(error)
      const isOver = attempt === tries
      if (['unclear', 'throttled', 'skew'].includes(failure) && !isOver) {
        await bucket.pause(attempt)
        continue
      }
      if (!isOver && !['precondition', 'conflict', 'missing'].includes(failure)) throw classifyError(error, bucket, key)
      // Whatever was answered before, what is there now says who was first.
      const found = await headOf(bucket, key)
      if (found?.writer === writer) return found.etag
      if (isOver) throw classifyError(error, bucket, key)
      if (mode === 'create' && found !== undefined) return undefined
      there = found?.etag
      if (failure === 'conflict' || attempt > 2) await bucket.pause(attempt)
    }
  }
}

/** Puts bytes in one request. @example placeObject(bucket, key, options, putBytes(bucket, key, bytes)) */
export function putBytes(bucket: S3Bucket, key: string, bytes: Uint8Array, sha256: string): PutOnce {
  return async (condition, Metadata) => {
    const { PutObjectCommand } = bucket.sdk
    const { ETag = '' } = await bucket.once((client) =>
      client.send(
        new PutObjectCommand({
          Bucket: bucket.name,
          Key: key,
          Body: bytes,
          ContentLength: bytes.length,
          ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
          Metadata,
          ...condition,
        }),
      ),
    )
    return ETag
  }
}
