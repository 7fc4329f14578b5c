/** An inbox in a bucket: objects that others put there, in the versions that they have. */
import type { S3Bucket } from '../../storage/s3/client.ts'
import { partSizes } from '../../storage/s3/parts.ts'
import { headOf } from '../../storage/s3/place.ts'
import type { Spool } from '../../storage/s3/spool.ts'
import type { Inbox } from '../inbox.ts'
import { assertVersioned, deliveryOf, findObjects, folderKey, type Identity } from './list.ts'

/** What an inbox in a bucket is made of. */
export interface S3InboxOptions {
  /** Where deliveries are in the bucket, without slashes around it. */
  readonly prefix: string
  /** Where they come to on this machine. */
  readonly spool: Spool
  readonly identity: Identity
  /** The most that is copied in one request. @default 5 GiB */
  readonly copy?: number
}

/**
 * Opens the inbox below a prefix of a bucket; no request is made.
 *
 * @example const inbox = s3Inbox(openBucket('shop', {}, systemClock), { prefix: '', spool, identity: 'version' })
 */
export function s3Inbox(bucket: S3Bucket, { prefix, spool, identity, copy = partSizes.copy }: S3InboxOptions): Inbox {
  const base = prefix === '' ? '' : `${prefix}/`
  let versioned: Promise<void> | undefined
  /** Asked once: a bucket that has versions has them for ever. */
  const ready = (): Promise<void> => {
    if (identity === 'content') return Promise.resolve()
    versioned ??= assertVersioned(bucket)
    return versioned
  }
  const headAt = async (path: string): Promise<Awaited<ReturnType<typeof headOf>>> => {
    if (path.split('/').some((part) => part === '' || part === '.' || part === '..')) return undefined
    await ready()
    return headOf(bucket, base + path)
  }
  return {
    async *list(pattern, passed) {
      const found = findObjects(bucket, { base, identity }, pattern, passed)
      await ready()
      yield* found
    },
    async stat(path) {
      const head = await headAt(path)
      return head === undefined ? undefined : deliveryOf({ key: base + path, ...head }, base)
    },
    async open({ path, identity: wanted }) {
      const head = await headAt(path)
      const key = base + path
      if (head === undefined || deliveryOf({ key, ...head }, base).identity !== wanted) return undefined
      return spool.bring(bucket, { key, etag: head.etag, versionId: head.versionId })
    },
    async settle(moves) {
      if (moves.length === 0) return
      await ready()
      await (await import('./settle.ts')).settleObjects({ bucket, spool, base, copy }, moves)
    },
    async put(path, bytes) {
      const { putObject } = await import('./settle.ts')
      await putObject(bucket, folderKey(base, path).slice(0, -1), bytes)
    },
  }
}
