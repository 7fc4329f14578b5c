/** Storage of this project over the double: how a test opens a bucket of it. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../../src/base/clock.ts'
import type { Inbox } from '../../../src/inbox/inbox.ts'
import { type S3InboxOptions, s3Inbox } from '../../../src/inbox/s3/inbox.ts'
import { openBucket, type S3Bucket, type S3Options } from '../../../src/storage/s3/client.ts'
import { openSpool, type Spool } from '../../../src/storage/s3/spool.ts'
import { type S3StorageOptions, s3Storage } from '../../../src/storage/s3/storage.ts'
import type { Storage } from '../../../src/storage/storage.ts'

/** Credentials that the double takes; it refuses `UNKNOWN` and `EXPIRED`. */
export const doubleCredentials = { AWS_ACCESS_KEY_ID: 'DOUBLE', AWS_SECRET_ACCESS_KEY: 'secret' }

/** A clock that does not wait for long: pauses end with the event loop's turn. */
export const impatientClock: Clock = {
  now: () => new Date(),
  sleep: () => new Promise((resolve) => setImmediate(resolve)),
}

/** A bucket of the double. @example bucketOf(double, 'lake') */
export function bucketOf({ endpoint }: { readonly endpoint: string }, name: string, options: S3Options = {}): S3Bucket {
  Object.assign(process.env, doubleCredentials)
  return openBucket(name, { endpoint, region: 'us-east-1', ...options }, impatientClock)
}

/** Storage in a bucket; what it brings here is in a folder of its own. @example storageOf(bucketOf(double, 'lake'), { prefix: '' }) */
export function storageOf(bucket: S3Bucket, options: Omit<S3StorageOptions, 'spool'>): Storage {
  return s3Storage(bucket, { ...options, spool: ownSpool() })
}

/** An inbox in a bucket. @example inboxOf(bucketOf(double, 'lake'), { prefix: '', identity: 'version' }) */
export function inboxOf(bucket: S3Bucket, options: Omit<S3InboxOptions, 'spool'>): Inbox {
  return s3Inbox(bucket, { ...options, spool: ownSpool() })
}

const ownSpool = (): Spool => openSpool(async () => mkdtempSync(join(tmpdir(), 'sluice-spool-')))
