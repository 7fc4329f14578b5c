/** Uploads that nobody completed. A bucket does not say whose they are: only their age tells. */
import type { ListMultipartUploadsCommandOutput } from '@aws-sdk/client-s3'
import type { StoredObject } from '../storage.ts'
import type { S3Bucket } from './client.ts'
import { keyOf } from './list.ts'

/** Finds, and aborts unless `dryRun`, uploads below a prefix that began before `before`. */
export async function leftoverUploads(
  bucket: S3Bucket,
  base: string,
  { before, dryRun = false }: { readonly before: Date; readonly dryRun?: boolean },
): Promise<readonly StoredObject[]> {
  const { ListMultipartUploadsCommand, AbortMultipartUploadCommand } = bucket.sdk
  const removed: StoredObject[] = []
  let page: ListMultipartUploadsCommandOutput | undefined
  do {
    const { NextKeyMarker, NextUploadIdMarker } = page ?? {}
    const from = {
      ...(NextKeyMarker === undefined ? {} : { KeyMarker: keyOf(NextKeyMarker) }),
      ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
    }
    page = await bucket.ask(base, (client) =>
      client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name, Prefix: base, EncodingType: 'url', ...from })),
    )
    for (const { Key = '', UploadId = '', Initiated } of page?.Uploads ?? []) {
      if (Initiated === undefined || Initiated >= before) continue
      const key = keyOf(Key)
      removed.push({ path: key.slice(base.length), bytes: 0, identity: UploadId, modifiedAt: Initiated })
      if (dryRun) continue
      await bucket.ask(key, (client) =>
        client.send(new AbortMultipartUploadCommand({ Bucket: bucket.name, Key: key, UploadId })),
      )
    }
  } while (page?.IsTruncated === true)
  return removed
}
