/** What is delivered to a project: below its folder, and in the buckets that its sources name. */

import { sluiceError } from '../base/errors.ts'
import { isOnS3, s3Address } from '../definition/schema/s3-address.ts'
import type { ProjectConfig } from '../definition/types.ts'
import { diskInbox } from '../inbox/disk/inbox.ts'
import type { Delivery, Inbox, Move } from '../inbox/inbox.ts'
import type { Buckets } from './places.ts'

/**
 * One inbox over all of them: a path that begins with `s3://` is one of a bucket.
 *
 * @example projectInbox('/home/me/shop', config, places.buckets).stat('s3://shop/inbox/a.csv')
 */
export function projectInbox(root: string, { s3 }: ProjectConfig, buckets: Buckets): Inbox {
  const disk = diskInbox(root)
  const opened = new Map<string, Promise<Inbox>>()
  const identity = s3?.identity ?? 'version'

  const inBucket = (name: string): Promise<Inbox> => {
    const inbox = opened.get(name) ?? openInbox(buckets, name, identity)
    opened.set(name, inbox)
    return inbox
  }

  return {
    async *list(pattern, passed) {
      const place = placeOf(pattern)
      if (place === undefined) return yield* disk.list(pattern, passed)
      const tell = passed && ((thing: Parameters<typeof passed>[0]) => passed(named(place, thing)))
      for await (const delivery of (await inBucket(place.bucket)).list(place.path, tell)) yield named(place, delivery)
    },
    async stat(path) {
      const place = placeOf(path)
      if (place === undefined) return disk.stat(path)
      const found = await (await inBucket(place.bucket)).stat(place.path)
      return found && named<Delivery>(place, found)
    },
    async open(delivery) {
      const place = placeOf(delivery.path)
      if (place === undefined) return disk.open(delivery)
      return (await inBucket(place.bucket)).open({ ...delivery, path: place.path })
    },
    async settle(moves) {
      const byBucket = new Map<string | undefined, Move[]>()
      for (const move of moves) {
        const [from, to] = [placeOf(move.delivery.path), placeOf(move.folder)]
        if (from?.bucket !== to?.bucket)
          throw sluiceError('Source.Path', { path: move.folder, why: 'it must be in the bucket of the delivery' })
        const moved =
          from === undefined || to === undefined
            ? move
            : { ...move, delivery: { ...move.delivery, path: from.path }, folder: to.path }
        byBucket.set(from?.bucket, [...(byBucket.get(from?.bucket) ?? []), moved])
      }
      for (const [bucket, own] of byBucket) await (bucket === undefined ? disk : await inBucket(bucket)).settle(own)
    },
    async put(path, bytes) {
      const place = placeOf(path)
      if (place === undefined) return disk.put(path, bytes)
      return (await inBucket(place.bucket)).put(place.path, bytes)
    },
  }
}

interface Place {
  readonly bucket: string
  readonly path: string
}

/** Undefined below the project. @throws Source.Path for what leads out of a bucket */
function placeOf(path: string): Place | undefined {
  if (!isOnS3(path)) return undefined
  const address = s3Address(path)
  if (address === undefined) throw sluiceError('Source.Path', { path, why: 'it is no path in a bucket' })
  return { bucket: address.bucket, path: address.prefix }
}

const named = <T extends { readonly path: string }>({ bucket }: Place, thing: T): T => ({
  ...thing,
  path: `s3://${bucket}/${thing.path}`,
})

const openInbox = async (buckets: Buckets, name: string, identity: 'version' | 'content'): Promise<Inbox> => {
  const [{ s3Inbox }, bucket] = await Promise.all([import('../inbox/s3/inbox.ts'), buckets.open(name)])
  return s3Inbox(bucket, { prefix: '', spool: await buckets.spool(), identity })
}
