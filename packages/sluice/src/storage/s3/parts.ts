/** Objects in parts: uploads of large files, copies of objects over five gigabytes. What fails is aborted; what a crash leaves is a leftover. */
import { open } from 'node:fs/promises'
import type { CompletedPart } from '@aws-sdk/client-s3'
import { crashPoint } from '../../base/crash.ts'
import { assert, sluiceError } from '../../base/errors.ts'
import { sha256 } from '../../base/json.ts'
import { workThrough } from '../../base/queue.ts'
import type { S3Bucket } from './client.ts'
import type { PutOnce } from './place.ts'

/** How large objects are moved. */
export interface PartSizes {
  /** The least size of a part, and the most that goes in one request. S3 takes no part under 5 MiB but the last. */
  readonly upload: number
  /** The most that is copied in one request: 5 GiB on S3. */
  readonly copy: number
}

/** Four parts of 16 MiB at a time are in memory. */
export const partSizes: PartSizes = { upload: 16 << 20, copy: 5 * 2 ** 30 }

/** S3 takes ten thousand parts. */
const mostParts = 10_000
const partsAtATime = 4

interface Range {
  readonly number: number
  readonly from: number
  readonly length: number
}

function rangesOf(bytes: number, least: number): readonly Range[] {
  const size = Math.max(least, Math.ceil(bytes / mostParts))
  return Array.from({ length: Math.max(1, Math.ceil(bytes / size)) }, (_, at) => ({
    number: at + 1,
    from: at * size,
    length: Math.min(size, bytes - at * size),
  }))
}

/**
 * Puts a local file in parts.
 *
 * @example placeObject(bucket, key, options, putFileInParts(bucket, key, { file, bytes }, partSizes.upload))
 */
export function putFileInParts(
  bucket: S3Bucket,
  key: string,
  { file, bytes }: { readonly file: string; readonly bytes: number },
  least: number,
): PutOnce {
  return async (condition, metadata) => {
    const handle = await open(file, 'r')
    try {
      return await inParts(
        bucket,
        key,
        { metadata, condition, ChecksumAlgorithm: 'SHA256' },
        rangesOf(bytes, least),
        async (part, UploadId) => {
          const { UploadPartCommand } = bucket.sdk
          const { bytesRead, buffer } = await handle.read(Buffer.alloc(part.length), 0, part.length, part.from)
          if (bytesRead !== part.length)
            throw sluiceError('Storage.Failed', { path: file, detail: 'it became shorter while it was uploaded' })
          const ChecksumSHA256 = Buffer.from(sha256(buffer), 'hex').toString('base64')
          const answer = await bucket.ask(key, (client) =>
            client.send(
              new UploadPartCommand({
                Bucket: bucket.name,
                Key: key,
                UploadId,
                PartNumber: part.number,
                Body: buffer,
                ContentLength: buffer.length,
                ChecksumSHA256,
              }),
            ),
          )
          return { ETag: answer?.ETag, ChecksumSHA256 }
        },
      )
    } finally {
      await handle.close()
    }
  }
}

/** An object that is copied, in one version of it. */
export interface CopySource {
  /** As `x-amz-copy-source` has it. */
  readonly CopySource: string
  readonly CopySourceIfMatch: string
  readonly bytes: number
}

/**
 * Puts a copy of an object in parts.
 *
 * @example await placeObject(bucket, key, options, putCopyInParts(bucket, key, source, partSizes.copy))
 */
export function putCopyInParts(bucket: S3Bucket, key: string, { bytes, ...source }: CopySource, most: number): PutOnce {
  return (condition, metadata) =>
    inParts(bucket, key, { metadata, condition }, rangesOf(bytes, most), async ({ number, from, length }, UploadId) => {
      const { UploadPartCopyCommand } = bucket.sdk
      const answer = await bucket.ask(key, (client) =>
        client.send(
          new UploadPartCopyCommand({
            Bucket: bucket.name,
            Key: key,
            UploadId,
            PartNumber: number,
            ...source,
            CopySourceRange: `bytes=${from}-${from + length - 1}`,
          }),
        ),
      )
      return { ETag: answer?.CopyPartResult?.ETag }
    })
}

interface Begin {
  readonly metadata: Readonly<Record<string, string>>
  readonly condition: Parameters<PutOnce>[0]
  readonly ChecksumAlgorithm?: 'SHA256'
}

async function inParts(
  bucket: S3Bucket,
  key: string,
  { metadata: Metadata, condition, ...begin }: Begin,
  ranges: readonly Range[],
  put: (part: Range, upload: string) => Promise<Omit<CompletedPart, 'PartNumber'>>,
): Promise<string> {
  const { CreateMultipartUploadCommand, CompleteMultipartUploadCommand, AbortMultipartUploadCommand } = bucket.sdk
  const object = { Bucket: bucket.name, Key: key }
  const begun = await bucket.ask(key, (client) =>
    client.send(new CreateMultipartUploadCommand({ ...object, Metadata, ...begin })),
  )
  const UploadId = begun?.UploadId
  assert(UploadId !== undefined, 'an upload that has begun has an id')
  crashPoint('storage.s3.upload_begun')
  try {
    const Parts: CompletedPart[] = []
    const options = { workers: partsAtATime, signal: new AbortController().signal }
    await workThrough(ranges, options, async (left) => {
      for (const range of left) Parts[range.number - 1] = { PartNumber: range.number, ...(await put(range, UploadId)) }
    })
    crashPoint('storage.s3.before_complete')
    const { ETag = '' } = await bucket.once((client) =>
      client.send(
        new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts }, ...condition }),
      ),
    )
    return ETag
  } catch (error) {
    // Of one that was completed without an answer there is nothing to abort.
    await bucket
      .ask(key, (client) => client.send(new AbortMultipartUploadCommand({ ...object, UploadId })))
      .catch(() => undefined)
    throw error
  }
}
